/** The Engine.IO handshake and the client files, as a browser on the frontend's origin meets them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PAGE_ORIGIN, type Server } from "../lib/server.ts";

export function handshakeSuite(server: Server, timings: { pingInterval: number; pingTimeout: number }): void {
  test("handshake packet as the original's server options give it", async () => {
    const answer = await poll(server, "EIO=4&transport=polling");
    assert.equal(answer.status, 200);
    const text = await answer.text();
    assert.equal(text[0], "0");
    const { sid, ...rest } = JSON.parse(text.slice(1));
    assert.equal(typeof sid, "string");
    assert.deepEqual(rest, { upgrades: ["websocket"], ...timings, maxPayload: 1_000_000 });
  });

  test("the frontend's origin may read polling answers, errors too", async () => {
    for (const query of [
      "EIO=4&transport=polling",
      "EIO=4&transport=polling&sid=unknown",
      "EIO=4&transport=pigeon",
    ]) {
      const answer = await poll(server, query);
      assert.equal(answer.headers.get("access-control-allow-origin"), PAGE_ORIGIN, query);
      assert.equal(answer.headers.get("access-control-allow-credentials"), "true", query);
    }
  });

  test("engine errors are {code, message}", async () => {
    const expected = {
      "EIO=4&transport=pigeon": { code: 0, message: "Transport unknown" },
      "EIO=4&transport=polling&sid=unknown": { code: 1, message: "Session ID unknown" },
    };
    for (const [query, body] of Object.entries(expected)) {
      const answer = await poll(server, query);
      assert.equal(answer.status, 400);
      assert.deepEqual(await answer.json(), body);
    }
  });

  test("the client files are served for pages of any origin", async () => {
    for (const file of ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js"]) {
      const answer = await fetch(`${server.url}/socket.io/${file}`, { headers: { origin: PAGE_ORIGIN } });
      assert.equal(answer.status, 200, file);
      assert.match(answer.headers.get("content-type") ?? "", /^(application|text)\/javascript/, file);
      assert.notEqual(answer.headers.get("cross-origin-resource-policy"), "same-origin", file);
      assert.match(await answer.text(), /Socket\.IO v4\.8\./, file);
    }
  });
}

export const poll = (server: Server, query: string) =>
  fetch(`${server.url}/socket.io/?${query}`, { headers: { origin: PAGE_ORIGIN } });
