/** direct-v1.md section 6: see the suite. */
import { after } from "node:test";
import { directV1 } from "../lib/kit.ts";
import { startServer } from "../lib/server.ts";
import { presenceSuite } from "../suites/presence.ts";

const server = await startServer("direct-v1");
after(() => server.stop());
presenceSuite(directV1, server);
