/** direct.md, variant Chatify: `io(addr, {withCredentials: true})` without query; contacts, chats, error texts. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually, must } from "../../lib/wait.ts";
import { call, newBrowser } from "../lib/browser-http.ts";
import { CookieJar } from "../lib/cookies.ts";
import { DirectFrontend, type Message } from "../lib/frontend-direct.ts";
import { tokenFor } from "../lib/jwt.ts";
import { direct as kit, newAccount } from "../lib/kit.ts";
import { PAGE_ORIGIN, startServer } from "../lib/server.ts";
import { assertError, assertUser } from "../lib/shapes.ts";
import { browserSocket, openTab } from "../lib/tabs.ts";

const server = await startServer("direct");
after(() => server.stop());
const DOCUMENT = ["email", "fullName", "profilePic", "createdAt", "updatedAt"];
const credentials = { withCredentials: true };
const idsIn = (users: { _id: string }[]) => users.map((user) => user._id);

test("the cookie of a handshake with credentials identifies the socket; the page may read its answers", async () => {
  const ann = await newAccount(server, kit, "Ann");
  const tab = await openTab(ann, undefined, credentials).active();
  assert.ok(tab.online?.includes(ann.id));
  tab.close();
  const handshake = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`, {
    headers: { origin: PAGE_ORIGIN, cookie: must(ann.jar.header(), "cookie") },
  });
  assert.equal(handshake.headers.get("access-control-allow-origin"), PAGE_ORIGIN);
  assert.equal(handshake.headers.get("access-control-allow-credentials"), "true");
});

test("refused connections get the middleware's texts", async () => {
  const ann = await newAccount(server, kit, "Ann");
  const refusal = (token?: string) => {
    const jar = new CookieJar();
    if (token) jar.set("jwt", token);
    return openTab({ ...ann, jar }, undefined, credentials).refused();
  };
  const texts = {
    "Unauthorized - No Token Provided": undefined,
    "Unauthorized - Invalid Token": "garbage",
    "User not found": tokenFor("0123456789abcdef01234567"),
  };
  for (const [text, token] of Object.entries(texts)) {
    assert.deepEqual(await refusal(token), { how: "connect_error", text });
  }
  assert.deepEqual(await refusal(tokenFor(ann.id, -5)), {
    how: "connect_error",
    text: "Unauthorized - Invalid Token",
  });
});

test("contacts are all others, chats only those one has exchanged messages with", async () => {
  const [ann, bob, cat, dan] = [
    await newAccount(server, kit, "Ann"),
    await newAccount(server, kit, "Bob"),
    await newAccount(server, kit, "Cat"),
    await newAccount(server, kit, "Dan"),
  ];
  const chats = async (of: typeof ann) => (await call(of, "GET", "/messages/chats")).data;
  assert.deepEqual(await chats(ann), []);
  await call(ann, "POST", `/messages/send/${bob.id}`, { text: "hi" });
  await call(cat, "POST", `/messages/send/${ann.id}`, { text: "hi" });
  assert.deepEqual(idsIn(await chats(ann)).sort(), [bob.id, cat.id].sort());
  assert.deepEqual(idsIn(await chats(bob)), [ann.id]);
  assert.deepEqual(await chats(dan), []);
  for (const user of await chats(ann)) assertUser(user, DOCUMENT);

  const contacts = await call(ann, "GET", "/messages/contacts");
  assert.equal(contacts.status, 200);
  assert.deepEqual(contacts.data, (await call(ann, "GET", "/messages/users")).data);
  assert.ok(idsIn(contacts.data).includes(dan.id) && !idsIn(contacts.data).includes(ann.id));
  for (const path of ["/messages/contacts", "/messages/chats"]) {
    assertError(
      await call(newBrowser(server.entrances()), "GET", path),
      401,
      "Unauthorized - No Token Provided",
    );
  }
});

test("two Chatify frontends chat", async () => {
  const page = () => {
    const browser = newBrowser(server.entrances());
    return new DirectFrontend(
      browser.http,
      (query) => browserSocket(browser.pageUrl(), browser, query, credentials),
      "chatify",
    );
  };
  const [ann, bob] = [page(), page()];
  await ann.signup({ fullName: "Ann", email: "ann@chatify.example", password: "123456" });
  await bob.signup({ fullName: "Bob", email: "bob@chatify.example", password: "123456" });
  const bobId = must(bob.authUser, "Bob")._id;
  await eventually("Ann sees Bob online", () => ann.onlineUsers.includes(bobId));
  await ann.getUsers();
  await bob.getUsers();
  const of = (who: DirectFrontend, id: string | undefined) =>
    must(
      who.users.find((user) => user._id === id),
      "the other one",
    );
  await ann.openConversation(of(ann, bobId));
  await bob.openConversation(of(bob, ann.authUser?._id));
  await ann.sendMessage({ text: "hello", image: null });
  await eventually("Bob shows it", () => bob.messages.length === 1);
  const shown: Message[] = bob.messages;
  assert.deepEqual(shown, ann.messages);
  assert.deepEqual([ann.toasts, bob.toasts], [[], []]);
  await ann.logout();
  await bob.logout();
});
