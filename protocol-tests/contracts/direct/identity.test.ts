/** direct.md section 6: see the suite. */
import { after } from "node:test";
import { direct } from "../lib/kit.ts";
import { startServer } from "../lib/server.ts";
import { identitySuite } from "../suites/identity.ts";

const server = await startServer("direct");
after(() => server.stop());
identitySuite(direct, server);
