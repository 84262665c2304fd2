/** direct.md sections 2-5: sign-up, log-in, log-out, check, update-profile; every status, body and cookie. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { must } from "../../lib/wait.ts";
import { type Browser, call, newBrowser } from "../lib/browser-http.ts";
import { dataUrl } from "../lib/images.ts";
import { claimsOf, signToken, tokenFor } from "../lib/jwt.ts";
import { direct as kit, newAccount } from "../lib/kit.ts";
import { IN_PRODUCTION, startServer } from "../lib/server.ts";
import { assertError, assertNoPassword, assertUser } from "../lib/shapes.ts";
import { errorsSuite } from "../suites/errors.ts";

const server = await startServer("direct");
after(() => server.stop());

const DOCUMENT = ["email", "fullName", "profilePic", "createdAt", "updatedAt"];
const form = (email: string) => ({ fullName: "Ann", email, password: "123456" });
const lastCookie = (browser: Browser) => must(browser.jar.history.at(-1), "Set-Cookie");

function assertSessionCookie(browser: Browser, secure: boolean): void {
  const { name, value, attributes } = lastCookie(browser);
  assert.equal(name, "jwt");
  const { expires, ...rest } = attributes;
  const expected = { "max-age": "604800", path: "/", httponly: true, samesite: "Strict" };
  assert.deepEqual(rest, secure ? { ...expected, secure: true } : expected);
  const days = (Date.parse(String(expires)) - Date.now()) / 86_400_000;
  assert.ok(days > 6.9 && days < 7.1, String(expires));
  const claims = claimsOf(value);
  assert.equal(Number(claims.exp) - Number(claims.iat), 604_800);
}

test("sign-up: 201, the bare user, the cookie", async () => {
  const browser = newBrowser(server.entrances());
  const answer = await call(browser, "POST", "/auth/signup", form("signup@example.com"));
  assert.equal(answer.status, 201);
  assertUser(answer.data, ["fullName", "email", "profilePic", "createdAt"]);
  const { fullName, email, profilePic } = answer.data;
  assert.deepEqual(
    { fullName, email, profilePic },
    { fullName: "Ann", email: "signup@example.com", profilePic: "" },
  );
  assertSessionCookie(browser, false);
  assert.equal(claimsOf(lastCookie(browser).value).userId, answer.data._id);
});

test("sign-up errors", async () => {
  const browser = newBrowser(server.entrances());
  await call(browser, "POST", "/auth/signup", form("twice@example.com"));
  const cases: [object, string][] = [
    [{}, "All fields are required"],
    [{ ...form("a@example.com"), fullName: "" }, "All fields are required"],
    [{ ...form("a@example.com"), email: undefined }, "All fields are required"],
    [{ ...form("a@example.com"), password: "" }, "All fields are required"],
    [{ ...form("a@example.com"), password: "12345" }, "Password must be at least 6 characters"],
    [form("twice@example.com"), "Email already exists"],
  ];
  for (const [body, message] of cases)
    assertError(await call(browser, "POST", "/auth/signup", body), 400, message);
  for (const email of [{ $gt: "" }, ["a@example.com"], 5, true]) {
    assertError(await call(browser, "POST", "/auth/signup", { ...form(""), email }), 400);
  }
  for (const password of [{ length: 9 }, 123_456, null]) {
    assertError(await call(browser, "POST", "/auth/signup", { ...form("b@example.com"), password }), 400);
  }
  assert.equal(browser.jar.history.length, 1, "only the success set a cookie");
});

test("one of two simultaneous sign-ups with one address wins", async () => {
  const answers = await Promise.all(
    Array.from({ length: 4 }, () =>
      call(newBrowser(server.entrances()), "POST", "/auth/signup", form("race@example.com")),
    ),
  );
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [201, 400, 400, 400]);
});

test("log-in: 200, the same user, a new cookie", async () => {
  const browser = newBrowser(server.entrances());
  const signedUp = await call(browser, "POST", "/auth/signup", form("login@example.com"));
  const again = newBrowser(server.entrances());
  const answer = await call(again, "POST", "/auth/login", { email: "login@example.com", password: "123456" });
  assert.equal(answer.status, 200);
  assertUser(answer.data, ["fullName", "email", "profilePic", "createdAt"]);
  assert.equal(answer.data._id, signedUp.data._id);
  assertSessionCookie(again, false);
});

test("log-in failures say the same for an unknown user and a wrong password", async () => {
  const browser = newBrowser(server.entrances());
  await call(browser, "POST", "/auth/signup", form("Known@example.com"));
  const cookies = browser.jar.history.length;
  for (const body of [
    { email: "unknown@example.com", password: "123456" },
    { email: "Known@example.com", password: "654321" },
    { email: "known@example.com", password: "123456" },
    { email: " Known@example.com", password: "123456" },
  ]) {
    assertError(await call(browser, "POST", "/auth/login", body), 400, "Invalid credentials");
  }
  for (const body of [
    {},
    { email: "Known@example.com" },
    { email: { $gt: "" }, password: "123456" },
    { email: "Known@example.com", password: { $ne: "" } },
    { email: ["Known@example.com"], password: "123456" },
  ]) {
    assertError(await call(browser, "POST", "/auth/login", body), 400);
  }
  assert.equal(browser.jar.history.length, cookies);
});

test("check: 200, the whole document", async () => {
  const ann = await newAccount(server, kit, "Ann");
  const answer = await call(ann, "GET", "/auth/check");
  assert.equal(answer.status, 200);
  assertUser(answer.data, DOCUMENT);
  assert.equal(answer.data.__v, 0);
  assert.equal(answer.data._id, ann.id);
});

test("protected routes: who gets which failure", async () => {
  const ann = await newAccount(server, kit, "Ann");
  const token = must(ann.jar.get("jwt"), "token");
  const routes: ["GET" | "PUT" | "POST", string][] = [
    ["GET", "/auth/check"],
    ["PUT", "/auth/update-profile"],
    ["GET", "/messages/users"],
    ["GET", `/messages/${ann.id}`],
    ["POST", `/messages/send/${ann.id}`],
  ];
  const claims = { userId: ann.id, exp: Math.floor(Date.now() / 1000) + 3600 };
  const invalid = ["garbage", `${token}x`, tokenFor(ann.id, -5), signToken(claims, { alg: "none" })];
  for (const [method, path] of routes) {
    const body = method === "GET" ? undefined : {};
    const nobody = newBrowser(server.entrances());
    assertError(await call(nobody, method, path, body), 401, "Unauthorized - No Token Provided");
    for (const bad of invalid) {
      const answer = await call(nobody, method, path, body, { Cookie: `jwt=${bad}` });
      assertError(answer, 401, "Unauthorized - Invalid Token");
    }
    const gone = { Cookie: `jwt=${tokenFor("0123456789abcdef01234567")}` };
    assertError(await call(nobody, method, path, body, gone), 404, "User not found");
  }
});

test("log-out: 200, the cookie is gone; needs no log-in", async () => {
  const ann = await newAccount(server, kit, "Ann");
  for (const browser of [ann, newBrowser(server.entrances())]) {
    const answer = await call(browser, "POST", "/auth/logout");
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.data, { message: "Logged out successfully" });
  }
  const { name, value, attributes } = lastCookie(ann);
  assert.deepEqual([name, value, attributes["max-age"], attributes.path], ["jwt", "", "0", "/"]);
  assert.equal(ann.jar.get("jwt"), undefined);
  assertError(await call(ann, "GET", "/auth/check"), 401, "Unauthorized - No Token Provided");
});

test("update-profile answers the whole document, never the password", async () => {
  const ann = await newAccount(server, kit, "Ann");
  assertError(await call(ann, "PUT", "/auth/update-profile", {}), 400, "Profile pic is required");
  assertError(
    await call(ann, "PUT", "/auth/update-profile", { profilePic: "" }),
    400,
    "Profile pic is required",
  );
  const answer = await call(ann, "PUT", "/auth/update-profile", {
    profilePic: dataUrl("png"),
    email: "new@example.com",
  });
  assert.equal(answer.status, 200);
  assertUser(answer.data, DOCUMENT);
  assert.equal(answer.data.email, ann.email, "only the picture is changed");
});

test("users: everybody else, as documents", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const answer = await call(ann, "GET", "/messages/users");
  assert.equal(answer.status, 200);
  const ids = answer.data.map((user: { _id: string }) => user._id);
  assert.ok(ids.includes(bob.id) && !ids.includes(ann.id));
  assert.equal(new Set(ids).size, ids.length);
  for (const user of answer.data) assertUser(user, DOCUMENT);
  // Nobody's address is for others; the field is there, and empty.
  for (const user of answer.data) assert.equal(user.email, "");
  assertNoPassword(answer.data);
});

test("the cookie is Secure unless NODE_ENV is development", async () => {
  const production = await startServer("direct", IN_PRODUCTION);
  try {
    const browser = newBrowser(production.entrances());
    const answer = await call(browser, "POST", "/auth/signup", form("secure@example.com"));
    assert.equal(answer.status, 201, JSON.stringify(answer.data));
    assertSessionCookie(browser, true);
  } finally {
    await production.stop();
  }
});

errorsSuite(kit, server);
