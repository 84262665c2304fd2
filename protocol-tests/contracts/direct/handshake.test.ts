/** direct.md section 6: Engine.IO defaults, EIO 4 only. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startServer } from "../lib/server.ts";
import { handshakeSuite, poll } from "../suites/handshake.ts";

const server = await startServer("direct");
after(() => server.stop());

handshakeSuite(server, { pingInterval: 25_000, pingTimeout: 20_000 });

test("EIO=3 is refused with code 5", async () => {
  const answer = await poll(server, "EIO=3&transport=polling");
  assert.equal(answer.status, 400);
  assert.deepEqual(await answer.json(), { code: 5, message: "Unsupported protocol version" });
});
