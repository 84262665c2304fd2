/** Every answer, errors above all, is JSON with `message` that a page on the frontend's origin may read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { call, newBrowser } from "../lib/browser-http.ts";
import { type Kit, newAccount } from "../lib/kit.ts";
import { PAGE_ORIGIN, SETTING, type Server, startServer } from "../lib/server.ts";
import { assertError } from "../lib/shapes.ts";

export function errorsSuite(kit: Kit, server: Server): void {
  // `call` fails by itself when a browser would hide the answer from the page.
  test("error answers carry the exact origin and credentials: 400, 401, 404, 413, malformed JSON", async () => {
    const ann = await newAccount(server, kit, "Ann");
    const stranger = newBrowser(server.entrances());
    assertError(await call(stranger, "POST", kit.path.signup, {}), 400);
    assertError(await call(stranger, "GET", kit.path.check), 401);
    assertError(await call(stranger, "GET", "/no/such/route"), 404);
    assertError(await call(ann, "GET", "/messages"), 404);
    const json = { "Content-Type": "application/json" };
    for (const body of ["{", '{"email":', "nonsense", '{"email":"a@b.c"} trailing', "\u0000"]) {
      assertError(await call(stranger, "POST", kit.path.login, body, json), 400);
    }
    const huge = { text: "", image: `data:image/png;base64,${"A".repeat(24_000_000)}` };
    assertError(await call(ann, "POST", kit.path.send(ann.id), huge), 413);
    // Of what is far too large for a log-in, less is read before the connection is cut than of a picture.
    const large = { text: "", image: `data:image/png;base64,${"A".repeat(500_000)}` };
    assertError(await call(stranger, "POST", kit.path.login, large), 413);
    assertError(
      await call(stranger, "POST", kit.path.login, "email=a", { "Content-Type": "text/plain" }),
      [400, 415],
    );
  });

  test("a JSON body that is no object is a clear 400", async () => {
    const ann = await newAccount(server, kit, "Ann");
    for (const body of ["[]", "null", "5", '"text"', "[".repeat(10_000)]) {
      const json = { "Content-Type": "application/json" };
      assertError(await call(ann, "POST", kit.path.login, body, json), 400);
      assertError(await call(ann, "PUT", kit.path.profile, body, json), 400);
      assertError(await call(ann, "POST", kit.path.send(ann.id), body, json), 400);
    }
  });

  test("preflight: 204, exact origin, credentials, methods, the asked headers", async () => {
    for (const method of ["POST", "PUT", "GET"]) {
      const answer = await fetch(`${server.url}/api${kit.path.profile}`, {
        method: "OPTIONS",
        headers: {
          origin: PAGE_ORIGIN,
          "access-control-request-method": method,
          "access-control-request-headers": "content-type",
        },
      });
      assert.equal(answer.status, 204);
      assert.equal(answer.headers.get("access-control-allow-origin"), PAGE_ORIGIN);
      assert.equal(answer.headers.get("access-control-allow-credentials"), "true");
      assert.match(answer.headers.get("access-control-allow-headers") ?? "", /content-type/i);
      const methods = answer.headers.get("access-control-allow-methods") ?? "";
      for (const name of ["GET", "POST", "PUT", "PATCH", "DELETE"])
        assert.ok(methods.includes(name), methods);
    }
  });

  test("a foreign origin gets no permission, neither on success nor on errors nor in a preflight", async () => {
    const origin = "http://evil.example";
    const answers = [
      await fetch(`${server.url}/api${kit.path.check}`, { headers: { origin } }),
      await fetch(`${server.url}/api${kit.path.logout}`, { method: "POST", headers: { origin } }),
      await fetch(`${server.url}/api${kit.path.login}`, {
        method: "OPTIONS",
        headers: {
          origin,
          "access-control-request-method": "POST",
          "access-control-request-headers": "content-type",
        },
      }),
    ];
    for (const answer of answers) {
      const allowed = answer.headers.get("access-control-allow-origin");
      assert.ok(allowed === null || (allowed !== origin && allowed !== "*"), String(allowed));
    }
  });

  test("security headers", async () => {
    const { headers } = await call(newBrowser(server.entrances()), "GET", kit.path.check);
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["x-powered-by"], undefined);
    assert.ok(["cross-origin", undefined].includes(headers["cross-origin-resource-policy"]));
  });

  test("too many log-ins from one address: 429, readable by the page", async () => {
    const limited = await startServer(kit.contract, {
      [SETTING.signIn]: "3/5m/1m",
      NODE_ENV: "development",
    });
    try {
      // Each from another browser: the limit is the address's, whichever gateway is asked.
      const attempt = () =>
        call(newBrowser(limited.entrances()), "POST", kit.path.login, {
          email: "a@example.com",
          password: "wrong one",
        });
      const statuses: number[] = [];
      for (let attempts = 0; attempts < 3; attempts += 1) statuses.push((await attempt()).status);
      assert.deepEqual(statuses, [400, 400, 400]);
      const answer = await attempt();
      assertError(answer, 429);
      if (kit.contract === "direct-v1") {
        assert.equal(answer.data.success, false);
        assert.equal(answer.data.message, "Too many requests");
      }
      assert.equal(
        (await call(newBrowser(limited.entrances()), "GET", kit.path.check)).status,
        401,
        "check is not counted as a log-in",
      );
    } finally {
      await limited.stop();
    }
  });
}
