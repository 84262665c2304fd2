/** direct.md section 6: see the suite. */
import { after } from "node:test";
import { direct } from "../lib/kit.ts";
import { startServer } from "../lib/server.ts";
import { recoverySuite } from "../suites/recovery.ts";

const server = await startServer("direct");
after(() => server.stop());
recoverySuite(direct, server);
