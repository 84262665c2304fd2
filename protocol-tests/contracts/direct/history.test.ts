/** direct.md section 5: `GET /api/messages/:id`. */
import { after } from "node:test";
import { direct } from "../lib/kit.ts";
import { startServer } from "../lib/server.ts";
import { historySuite } from "../suites/history.ts";

const server = await startServer("direct");
after(() => server.stop());
historySuite(direct, server);
