/** direct-v1.md section 5: `GET /api/messages/:id`. */
import { after } from "node:test";
import { directV1 } from "../lib/kit.ts";
import { startServer } from "../lib/server.ts";
import { historySuite } from "../suites/history.ts";

const server = await startServer("direct-v1");
after(() => server.stop());
historySuite(directV1, server);
