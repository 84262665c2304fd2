/** direct-v1.md sections 2-5: sign-up, log-in, log-out, check-auth, get-user, update-profile, users. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { AxiosResponse } from "axios";
import { must } from "../../lib/wait.ts";
import { type Browser, call, newBrowser } from "../lib/browser-http.ts";
import { dataUrl } from "../lib/images.ts";
import { claimsOf, signToken, tokenFor } from "../lib/jwt.ts";
import { directV1 as kit, newAccount } from "../lib/kit.ts";
import { IN_PRODUCTION, startServer } from "../lib/server.ts";
import { assertError, assertNoPassword, assertUser } from "../lib/shapes.ts";
import { errorsSuite } from "../suites/errors.ts";

const server = await startServer("direct-v1");
after(() => server.stop());

const SHORT = ["email", "full_name", "profile_picture", "bio", "profilePic"];
const LISTED = [...SHORT, "o_auth_provider", "o_auth_id"];
const DOCUMENT = [...LISTED, "createdAt", "updatedAt"];
const form = (email: string) => ({
  full_name: "Ann",
  email,
  password: "123456",
  profilePicture: "",
  bio: "",
});
const lastCookie = (browser: Browser) => must(browser.jar.history.at(-1), "Set-Cookie");

function assertSession(browser: Browser, answer: AxiosResponse, secure = false): void {
  const { name, value, attributes } = lastCookie(browser);
  assert.equal(name, "token");
  assert.equal(answer.data.token, value);
  const { expires, ...rest } = attributes;
  const expected = { "max-age": "604800", path: "/", httponly: true, samesite: "Strict" };
  assert.deepEqual(rest, secure ? { ...expected, secure: true } : expected);
  const days = (Date.parse(String(expires)) - Date.now()) / 86_400_000;
  assert.ok(days > 6.9 && days < 7.1, String(expires));
  const claims = claimsOf(value);
  assert.equal(claims.userId, answer.data.user._id);
  assert.equal(Number(claims.exp) - Number(claims.iat), 604_800);
}

test("sign-up: 201; unknown keys are ignored", async () => {
  const browser = newBrowser(server.entrances());
  const answer = await call(browser, "POST", "/v1/auth/signup", {
    ...form("signup@example.com"),
    more: { nested: 1 },
  });
  assert.equal(answer.status, 201);
  assert.equal(answer.data.message, "User account created successfully");
  assertUser(answer.data.user, SHORT);
  assert.equal(answer.data.user.profile_picture, "");
  assertSession(browser, answer);
});

test("sign-up with optional fields", async () => {
  const browser = newBrowser(server.entrances());
  const picture = "https://pictures.example.com/ann.png";
  const body = { ...form("optional@example.com"), bio: "I am Ann", profile_picture: picture };
  const answer = await call(browser, "POST", "/v1/auth/signup", body);
  assert.equal(answer.status, 201, JSON.stringify(answer.data));
  assert.equal(answer.data.user.bio, "I am Ann");
  assert.equal(answer.data.user.profile_picture, picture);
});

test("sign-up errors name the fields", async () => {
  const browser = newBrowser(server.entrances());
  const cases: [object, Record<string, string[]>][] = [
    [{ ...form("no address") }, { email: ["Invalid email address"] }],
    [
      { ...form("a@example.com"), password: "12345" },
      { password: ["Password must be at least 6 characters"] },
    ],
    [{ ...form("a@example.com"), full_name: "" }, { full_name: ["Full name is required"] }],
    [{}, { email: ["Required"], password: ["Required"], full_name: ["Required"] }],
  ];
  for (const [body, errors] of cases) {
    const answer = await call(browser, "POST", "/v1/auth/signup", body);
    assertError(answer, 400, "Validation error");
    assert.deepEqual(answer.data.errors, errors);
  }
  const odd = [
    { email: { $gt: "" } },
    { password: 123_456 },
    { full_name: ["Ann"] },
    { profile_picture: "no url" },
    { bio: 5 },
  ];
  for (const fields of odd) {
    const answer = await call(browser, "POST", "/v1/auth/signup", { ...form("a@example.com"), ...fields });
    assertError(answer, 400, "Validation error");
    assert.ok(Array.isArray(answer.data.errors[Object.keys(fields)[0] ?? ""]));
  }
  assert.equal(browser.jar.history.length, 0);
  await call(browser, "POST", "/v1/auth/signup", form("twice@example.com"));
  const twice = await call(browser, "POST", "/v1/auth/signup", form("twice@example.com"));
  assertError(twice, 400, "User account already exists with this email");
});

test("one of several simultaneous sign-ups with one address wins", async () => {
  const answers = await Promise.all(
    Array.from({ length: 4 }, () =>
      call(newBrowser(server.entrances()), "POST", "/v1/auth/signup", form("race@example.com")),
    ),
  );
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [201, 400, 400, 400]);
});

test("log-in: 200, user, token, cookie", async () => {
  const first = newBrowser(server.entrances());
  const signedUp = await call(first, "POST", "/v1/auth/signup", form("login@example.com"));
  const browser = newBrowser(server.entrances());
  const answer = await call(browser, "POST", "/v1/auth/login", {
    email: "login@example.com",
    password: "123456",
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.data.message, "User logged in successfully");
  assertUser(answer.data.user, SHORT);
  assert.equal(answer.data.user._id, signedUp.data.user._id);
  assertSession(browser, answer);
});

test("log-in failures: one text for unknown user and wrong password", async () => {
  const browser = newBrowser(server.entrances());
  await call(browser, "POST", "/v1/auth/signup", form("Known@example.com"));
  const login = (body: object) => call(browser, "POST", "/v1/auth/login", body);
  for (const body of [
    { email: "unknown@example.com", password: "123456" },
    { email: "Known@example.com", password: "654321" },
    { email: "known@example.com", password: "123456" },
  ]) {
    assertError(await login(body), 400, "Invalid Credentials");
  }
  for (const body of [
    {},
    { email: "no address", password: "123456" },
    { email: { $gt: "" }, password: { $gt: "" } },
  ]) {
    const answer = await login(body);
    assertError(answer, 400, "Validation error");
    assert.ok(answer.data.errors.email);
  }
  assertError(await login({ email: "Known@example.com", password: "12345" }), 400, "Validation error");
  assert.equal(browser.jar.history.length, 1);
});

test("check-auth and get-user: the whole document", async () => {
  const ann = await newAccount(server, kit, "Ann");
  const checked = await call(ann, "GET", "/v1/auth/check-auth");
  assert.equal(checked.status, 200);
  assert.equal(checked.data.message, "User is authenticated");
  assertUser(checked.data.user, DOCUMENT);
  assert.equal(checked.data.user.__v, 0);
  assert.equal(checked.data.user.o_auth_provider, "local");
  const got = await call(ann, "GET", "/v1/auth/get-user");
  assert.equal(got.status, 200);
  assert.deepEqual(got.data.user, checked.data.user);
});

test("the token is read from Authorization first, else from the cookie", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const bearer = { Authorization: `Bearer ${ann.jar.get("token")}` };
  const answer = await call(newBrowser(server.entrances()), "GET", "/v1/auth/check-auth", undefined, bearer);
  assert.equal(answer.data.user?._id, ann.id);
  const both = await call(bob, "GET", "/v1/auth/check-auth", undefined, bearer);
  assert.equal(both.data.user?._id, ann.id);
});

test("protected routes: who gets which failure", async () => {
  const ann = await newAccount(server, kit, "Ann");
  const now = Math.floor(Date.now() / 1000);
  const claims = { userId: ann.id, exp: now + 3600 };
  const nobody = newBrowser(server.entrances());
  const routes: ["GET" | "PUT" | "POST", string][] = [
    ["GET", "/v1/auth/check-auth"],
    ["GET", "/v1/auth/get-user"],
    ["PUT", "/v1/auth/update-profile"],
    ["GET", "/messages/users"],
    ["GET", `/messages/${ann.id}`],
    ["POST", `/messages/send/${ann.id}`],
  ];
  for (const [method, path] of routes) {
    const tried = (token?: string) =>
      call(
        nobody,
        method,
        path,
        method === "GET" ? undefined : {},
        token ? { Cookie: `token=${token}` } : {},
      );
    const failed = async (message: string, status: number, token?: string) => {
      const answer = await tried(token);
      assertError(answer, status, message);
      assert.equal(answer.data.success, false);
    };
    await failed("Unauthorized", 401);
    await failed("Unauthorized", 401, signToken({ iat: now, exp: now + 3600 }));
    for (const bad of ["garbage", tokenFor(ann.id, -5), signToken(claims, { alg: "none" })]) {
      await failed("Invalid token", 401, bad);
    }
    await failed("User not found", 404, tokenFor("0123456789abcdef01234567"));
  }
});

test("log-out: 200, the cookie is gone; needs no log-in", async () => {
  const ann = await newAccount(server, kit, "Ann");
  for (const browser of [ann, newBrowser(server.entrances())]) {
    const answer = await call(browser, "POST", "/v1/auth/logout");
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.data, { message: "User logged out successfully" });
  }
  const { name, value, attributes } = lastCookie(ann);
  assert.deepEqual([name, value, attributes.path], ["token", "", "/"]);
  assert.equal(ann.jar.get("token"), undefined);
  assertError(await call(ann, "GET", "/v1/auth/check-auth"), 401, "Unauthorized");
});

test("update-profile answers the whole document, never the password", async () => {
  const ann = await newAccount(server, kit, "Ann");
  const update = (body: object) => call(ann, "PUT", "/v1/auth/update-profile", body);
  assertError(await update({}), 400, "Profile picture is required");
  assertError(await update({ profile_picture: "" }), 400, "Profile picture is required");
  const answer = await update({ profile_picture: dataUrl("png"), email: "new@example.com" });
  assert.equal(answer.status, 200);
  assert.equal(answer.data.message, "Profile picture updated successfully");
  assertUser(answer.data.user, DOCUMENT);
  assert.equal(answer.data.user.profilePic, answer.data.user.profile_picture);
  assert.equal(answer.data.user.email, ann.email);
});

test("users: everybody else", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const answer = await call(ann, "GET", "/messages/users");
  assert.equal(answer.status, 200);
  const ids = answer.data.data.map((user: { _id: string }) => user._id);
  assert.ok(ids.includes(bob.id) && !ids.includes(ann.id));
  assert.equal(new Set(ids).size, ids.length);
  for (const user of answer.data.data) assertUser(user, LISTED);
  // Nobody's address is for others; the field is there, and empty.
  for (const user of answer.data.data) assert.equal(user.email, "");
  assertNoPassword(answer.data);
});

test("the cookie is Secure in production", async () => {
  const production = await startServer("direct-v1", IN_PRODUCTION);
  try {
    const browser = newBrowser(production.entrances());
    const answer = await call(browser, "POST", "/v1/auth/signup", form("secure@example.com"));
    assert.equal(answer.status, 201, JSON.stringify(answer.data));
    assertSession(browser, answer, true);
  } finally {
    await production.stop();
  }
});

test("JWT_EXPIRATION shortens the token", async () => {
  const brief = await startServer("direct-v1", { JWT_EXPIRATION: "2h" });
  try {
    const answer = await call(
      newBrowser(brief.entrances()),
      "POST",
      "/v1/auth/signup",
      form("brief@example.com"),
    );
    const claims = claimsOf(answer.data.token);
    assert.equal(Number(claims.exp) - Number(claims.iat), 7200);
  } finally {
    await brief.stop();
  }
});

errorsSuite(kit, server);
