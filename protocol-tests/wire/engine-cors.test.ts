// Engine.IO from another origin: the conformance application allows all of them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { request } from "../lib/http.ts";
import { openPolling } from "../lib/polling.ts";
import { engineIoEndpoint, socketIoEndpoint } from "../lib/target.ts";

const origin = { origin: "https://app.example" };

for (const endpoint of [engineIoEndpoint, socketIoEndpoint]) {
  describe(`cross-origin requests to ${new URL(endpoint).pathname}`, () => {
    test("the handshake may be read", async () => {
      const answer = await request(`${endpoint}?EIO=4&transport=polling`, { headers: origin });
      assert.equal(answer.headers["access-control-allow-origin"], "*");
    });

    test("polls and posts may be read", async (t) => {
      const session = await openPolling(t, endpoint, 4);
      const posted = await request(session.url(), { method: "POST", body: "40", headers: origin });
      assert.equal(posted.headers["access-control-allow-origin"], "*");
      const polled = await request(session.url(), { headers: origin });
      assert.equal(polled.headers["access-control-allow-origin"], "*");
    });

    test("errors may be read", async () => {
      const unknown = `${endpoint}?EIO=4&transport=polling&sid=nobody`;
      for (const url of [unknown, `${endpoint}?EIO=4&transport=none`]) {
        const answer = await request(url, { headers: origin });
        assert.equal(answer.status, 400);
        assert.equal(answer.headers["access-control-allow-origin"], "*");
      }
    });

    test("a preflight is answered", async () => {
      const answer = await request(`${endpoint}?EIO=4&transport=polling&sid=any`, {
        method: "OPTIONS",
        headers: {
          ...origin,
          "access-control-request-method": "POST",
          "access-control-request-headers": "content-type,authorization",
        },
      });
      assert.ok([200, 204].includes(answer.status), `the preflight was answered with ${answer.status}`);
      assert.equal(answer.headers["access-control-allow-origin"], "*");
      assert.match(answer.headers["access-control-allow-methods"] ?? "", /POST|\*/);
      // By name: the Fetch standard does not let * stand for Authorization.
      assert.match(answer.headers["access-control-allow-headers"] ?? "", /authorization/i);
    });

    test("answers to polls are not to be stored", async (t) => {
      const session = await openPolling(t, endpoint, 4);
      await session.send("40");
      assert.equal((await session.get()).headers["cache-control"], "no-store");
    });
  });
}
