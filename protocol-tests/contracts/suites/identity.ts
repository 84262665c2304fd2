/** Who is on a socket: only what was proven (cookie, bearer, auth.token), whatever is claimed. Both contracts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import WebSocket from "ws";
import { eventually, must, within } from "../../lib/wait.ts";
import { call, inTurn } from "../lib/browser-http.ts";
import { CookieJar } from "../lib/cookies.ts";
import type { Message } from "../lib/frontend-direct.ts";
import { claimsOf, signToken, tokenFor } from "../lib/jwt.ts";
import { type Account, history, type Kit, logInAgain, newAccount } from "../lib/kit.ts";
import { PAGE_ORIGIN, type Server } from "../lib/server.ts";
import { openClient, openTab, type Page } from "../lib/tabs.ts";

export function identitySuite(kit: Kit, server: Server): void {
  const tokenOf = (account: Account) => must(account.jar.get(kit.cookie), "token");
  /** The browser of someone whose cookie is `token`. */
  const holding = (token: string | undefined, deployment: Account["deployment"]): Page => {
    const jar = new CookieJar();
    if (token) jar.set(kit.cookie, token);
    return { jar, deployment, origin: PAGE_ORIGIN, pageUrl: inTurn(server.entrances()) };
  };

  test("cross-origin: no cookie on polling, the upgrade's cookie activates the socket", async () => {
    const ann = await newAccount(server, kit, "Ann");
    const tab = await openTab(ann, ann.id).active();
    assert.ok(tab.online?.includes(ann.id));
    assert.equal(tab.socket.io.engine.transport.name, "websocket");
  });

  test("same-origin: the cookie of the handshake is the proof, the server's own origin is allowed", async () => {
    const ann = await newAccount(server, kit, "Ann", "same-origin");
    const polling = await openTab(ann, ann.id, { transports: ["polling"] }).active();
    assert.equal(polling.socket.io.engine.transport.name, "polling");
    const socketOnly = await openTab(ann, ann.id, { transports: ["websocket"] }).active();
    assert.ok(socketOnly.online?.includes(ann.id));
  });

  test("a cookie alone says who it is: no claim needed", async () => {
    const ann = await newAccount(server, kit, "Ann", "same-origin");
    const tab = await openTab(ann).active();
    assert.ok(tab.online?.includes(ann.id));
  });

  test("Authorization: Bearer is proof, without Origin and without cookie", async () => {
    const ann = await newAccount(server, kit, "Ann");
    const extraHeaders = { Authorization: `Bearer ${tokenOf(ann)}` };
    for (const transport of ["polling", "websocket"]) {
      const tab = await openClient(server.entrances(), { transports: [transport], extraHeaders }).active();
      assert.ok(tab.online?.includes(ann.id), transport);
    }
  });

  test("auth.token is proof", async () => {
    const ann = await newAccount(server, kit, "Ann");
    for (const transport of ["polling", "websocket"]) {
      const tab = openClient(server.entrances(), { transports: [transport], auth: { token: tokenOf(ann) } });
      assert.ok((await tab.active()).online?.includes(ann.id), transport);
    }
  });

  test("a token made by the original backend with the same secret is accepted", async () => {
    const ann = await newAccount(server, kit, "Ann");
    assert.equal(claimsOf(tokenOf(ann)).userId, ann.id);
    const jar = new CookieJar();
    jar.set(kit.cookie, tokenFor(ann.id));
    const answer = await call(ann, "GET", kit.path.check, undefined, {
      Cookie: must(jar.header(), "cookie"),
    });
    assert.equal(answer.status, 200);
    await openTab({ ...ann, jar }, ann.id).active();
  });

  test("an unproven claim gets nothing, is never online, and is refused in the end", async () => {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    const watcher = await openTab(bob, bob.id).active();
    const nobody = holding(undefined, "cross-origin");
    const thieves = [
      openTab(nobody, ann.id, { transports: ["polling"] }),
      openTab(nobody, ann.id),
      openTab(nobody, ann.id, { transports: ["websocket"] }),
      openTab(nobody),
      openTab(nobody, "undefined"),
    ];
    for (const thief of thieves)
      thief.socket.emit("sendMessage", { to: bob.id, text: "I am Ann", image: null }, () => {});
    const sender = await kit.sender(bob);
    await sender.send(ann.id, "for Ann only");
    sender.close();
    await Promise.all(thieves.map((thief) => thief.refused()));
    for (const thief of thieves) assert.deepEqual(thief.seen, []);

    // The next push to the watcher is a barrier: whatever the thieves caused would have come before it.
    const cat = await newAccount(server, kit, "Cat");
    await openTab(cat, cat.id).active();
    await eventually("Bob sees Cat", () => watcher.online?.includes(cat.id));
    const everOnline = watcher.all<string[]>("getOnlineUsers").flat();
    assert.ok(!everOnline.includes(ann.id) && !everOnline.includes("undefined"), JSON.stringify(everOnline));
    const fromAnn = watcher.all<Message>("newMessage").filter((message) => message.senderId === ann.id);
    assert.deepEqual(fromAnn, []);
    assert.deepEqual(
      (await history(kit, bob, ann.id)).filter((message) => message.senderId === ann.id),
      [],
    );
  });

  test("a token that is garbage, expired, unsigned, of another secret or of nobody is refused", async () => {
    const ann = await newAccount(server, kit, "Ann");
    const now = Math.floor(Date.now() / 1000);
    const claims = { userId: ann.id, iat: now, exp: now + 3600 };
    const bad = {
      garbage: "garbage",
      expired: tokenFor(ann.id, -10),
      "alg none": signToken(claims, { alg: "none" }),
      "other secret": signToken(claims, { secret: "not the secret of the server at all, not even near" }),
      "no such user": tokenFor("0123456789abcdef01234567"),
      "no userId": signToken({ iat: now, exp: now + 3600 }),
    };
    const refused = Object.entries(bad).flatMap(([what, token]) => [
      {
        what: `${what}, cookie on upgrade`,
        tab: openTab(holding(token, "cross-origin"), ann.id),
      },
      {
        what: `${what}, cookie in handshake`,
        tab: openTab(holding(token, "same-origin"), ann.id),
      },
      { what: `${what}, auth.token`, tab: openClient(server.entrances(), { auth: { token } }) },
      {
        what: `${what}, bearer`,
        tab: openClient(server.entrances(), { extraHeaders: { Authorization: `Bearer ${token}` } }),
      },
    ]);
    for (const { what, tab } of refused) {
      await tab.refused();
      assert.deepEqual(tab.seen, [], what);
    }
  });

  test("a claim other than the proof is refused", async () => {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    const liars = [
      openTab(bob, ann.id),
      openTab(holding(tokenOf(bob), "same-origin"), ann.id),
      openClient(server.entrances(), { query: { userId: ann.id }, auth: { token: tokenOf(bob) } }),
    ];
    for (const liar of liars) {
      await liar.refused();
      assert.deepEqual(liar.seen, []);
    }
  });

  test("a WebSocket from a foreign page is refused although it brings the cookie", async () => {
    const ann = await newAccount(server, kit, "Ann");
    const headers = (origin: string) => ({ Origin: origin, Cookie: must(ann.jar.header(), "cookie") });
    const ws = `${server.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`;
    const foreign = [
      "http://evil.example",
      "null",
      "http://localhost:5173.evil.example",
      "http://localhost:51730",
    ];
    for (const origin of foreign) {
      assert.notEqual(await upgradeStatus(ws, headers(origin)), 101, `direct, ${origin}`);
      const handshake = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
      const { sid } = JSON.parse((await handshake.text()).slice(1));
      assert.notEqual(await upgradeStatus(`${ws}&sid=${sid}`, headers(origin)), 101, `upgrade, ${origin}`);
    }
    assert.equal(await upgradeStatus(ws, headers(PAGE_ORIGIN)), 101);
  });

  test("a foreign page may not read polling answers", async () => {
    const answer = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`, {
      headers: { origin: "http://evil.example" },
    });
    const allowed = answer.headers.get("access-control-allow-origin");
    assert.ok(allowed !== "http://evil.example" && allowed !== "*", String(allowed));
  });

  test("when the token ends, its sockets end and REST says 401", async () => {
    const ann = await newAccount(server, kit, "Ann");
    const brief = holding(tokenFor(ann.id, 4), "cross-origin");
    const tab = await openTab(brief, ann.id).active();
    const lasting = await openTab(ann, ann.id).active();
    const end = await tab.refused();
    assert.deepEqual(end, { how: "disconnect", text: "io server disconnect" });
    const answer = await call(ann, "GET", kit.path.check, undefined, {
      Cookie: must(brief.jar.header(), "cookie"),
    });
    assert.equal(answer.status, 401);
    assert.ok(lasting.socket.connected);
  });

  test("log-out ends the sockets of that session only, and they do not come back", async () => {
    const ann = await newAccount(server, kit, "Ann");
    const elsewhere = await logInAgain(server, kit, ann);
    const bob = await newAccount(server, kit, "Bob");
    const watcher = await openTab(bob, bob.id).active();
    const here = [openTab(ann, ann.id), openTab(ann, ann.id)];
    const there = await openTab(elsewhere, ann.id).active();
    for (const tab of here) await tab.active();
    await eventually("Bob sees Ann", () => watcher.online?.includes(ann.id));
    const before = watcher.all("getOnlineUsers").length;

    await ann.http.post(kit.path.logout);
    for (const tab of here) {
      assert.deepEqual(await tab.refused(), { how: "disconnect", text: "io server disconnect" });
    }
    const sender = await kit.sender(bob);
    await sender.send(ann.id, "still there?");
    sender.close();
    await eventually("the other session is alive", () => there.all("newMessage").length === 1);
    for (const list of watcher.all<string[]>("getOnlineUsers").slice(before))
      assert.ok(list.includes(ann.id));

    await elsewhere.http.post(kit.path.logout);
    await there.refused();
    await eventually("Ann is offline", () => !watcher.online?.includes(ann.id));
  });
}

function upgradeStatus(url: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(url, { headers });
  const status = new Promise<number>((resolve, reject) => {
    socket.on("upgrade", (answer) => resolve(answer.statusCode ?? 0));
    socket.on("unexpected-response", (_, answer) => resolve(answer.statusCode ?? 0));
    socket.on("error", reject);
  });
  return within("an answer to the upgrade", status).finally(() => {
    socket.on("error", () => {}).terminate();
  });
}
