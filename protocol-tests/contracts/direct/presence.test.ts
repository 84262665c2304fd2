/** direct.md section 6: see the suite. */
import { after } from "node:test";
import { direct } from "../lib/kit.ts";
import { startServer } from "../lib/server.ts";
import { presenceSuite } from "../suites/presence.ts";

const server = await startServer("direct");
after(() => server.stop());
presenceSuite(direct, server);
