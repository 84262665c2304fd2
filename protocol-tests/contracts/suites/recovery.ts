/** What a socket missed comes once, in order, when it returns: connection state recovery. Both contracts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../../lib/wait.ts";
import type { Message } from "../lib/frontend-direct.ts";
import { type Account, history, idsOf, type Kit, newAccount } from "../lib/kit.ts";
import { layWire, type Wire } from "../lib/proxy.ts";
import type { Server } from "../lib/server.ts";
import { at, openTab, type Tab } from "../lib/tabs.ts";

const RETURN_MS = 30_000;

export function recoverySuite(kit: Kit, server: Server): void {
  interface Scene {
    ann: Account;
    bob: Account;
    wire: Wire;
    /** Bob's only socket, behind the wire. */
    tab: Tab;
    send(...texts: string[]): Promise<Message[]>;
  }

  /** Ann writes to Bob, whose socket hangs on a wire that can be cut. */
  async function scene(play: (scene: Scene) => Promise<void>): Promise<void> {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    const wire = await layWire(bob);
    const tab = openTab(at(wire.url, bob), bob.id);
    const send = async (...texts: string[]) => {
      const sender = await kit.sender(ann);
      const sent: Message[] = [];
      for (const text of texts) sent.push(await sender.send(bob.id, text));
      sender.close();
      return sent;
    };
    try {
      await tab.upgraded();
      await play({ ann, bob, wire, tab, send });
    } finally {
      tab.close();
      await wire.close();
    }
  }

  const got = (tab: Tab) => idsOf(tab.all<Message>("newMessage"));

  async function returned(tab: Tab, sent: Message[]): Promise<void> {
    await eventually(`${sent.length} messages arrived`, () => got(tab).length >= sent.length, RETURN_MS);
    assert.deepEqual(got(tab), idsOf(sent));
  }

  async function nothingTwice({ tab, send }: Scene, sent: Message[]): Promise<void> {
    const last = await send("the end");
    await returned(tab, [...sent, ...last]);
  }

  test("cut and mended: the missed messages, once, in order, into the old handlers", () =>
    scene(async (s) => {
      const sent = await s.send("before");
      await returned(s.tab, sent);
      s.wire.cut();
      await eventually("Bob's socket noticed", () => !s.tab.socket.connected);
      sent.push(...(await s.send("missed 1", "missed 2", "missed 3")));
      s.wire.mend();
      await returned(s.tab, sent);
      assert.equal(s.tab.socket.recovered, true);
      await nothingTwice(s, sent);
    }));

  test("a socket that had received no message yet recovers too", () =>
    scene(async (s) => {
      s.wire.cut();
      await eventually("Bob's socket noticed", () => !s.tab.socket.connected);
      const sent = await s.send("missed 1", "missed 2");
      s.wire.mend();
      await returned(s.tab, sent);
      assert.equal(s.tab.socket.recovered, true);
      await nothingTwice(s, sent);
    }));

  test("what was lost on the wire, though the server had sent it, comes again; what arrived does not", () =>
    scene(async (s) => {
      const sent = await s.send("arrives");
      await returned(s.tab, sent);
      s.wire.swallow();
      sent.push(...(await s.send("lost 1", "lost 2")));
      s.wire.cut();
      sent.push(...(await s.send("missed")));
      s.wire.mend();
      await returned(s.tab, sent);
      await nothingTwice(s, sent);
    }));

  test("the recovered socket is in its room and counted online", () =>
    scene(async (s) => {
      s.wire.cut();
      await eventually("Bob's socket noticed", () => !s.tab.socket.connected);
      const lists = s.tab.all("getOnlineUsers").length;
      s.wire.mend();
      await eventually(
        "a new list of who is online",
        () => s.tab.all("getOnlineUsers").length > lists,
        RETURN_MS,
      );
      assert.ok(s.tab.online?.includes(s.bob.id));
      await returned(s.tab, await s.send("live again"));
    }));

  test("several cuts in a row lose and double nothing", () =>
    scene(async (s) => {
      const sent: Message[] = [];
      for (const round of [1, 2, 3]) {
        s.wire.cut();
        await eventually("Bob's socket noticed", () => !s.tab.socket.connected);
        sent.push(...(await s.send(`missed ${round}`)));
        s.wire.mend();
        await returned(s.tab, sent);
      }
      await nothingTwice(s, sent);
    }));

  test("a session is recovered only by its own user", () =>
    scene(async (s) => {
      const eve = await newAccount(server, kit, "Eve");
      await returned(s.tab, await s.send("secret before"));
      const inner = s.tab.socket as unknown as { _pid?: string; _lastOffset?: string };
      const stolen = { pid: inner._pid, offset: inner._lastOffset };
      assert.ok(stolen.pid, "the server offers recovery");
      s.wire.cut();
      await eventually("Bob's socket noticed", () => !s.tab.socket.connected);
      await s.send("secret while away");
      const thief = openTab(eve, eve.id, { auth: stolen });
      await eventually(
        "Eve is active or refused",
        () => thief.online || (thief.ends.length && !thief.socket.active),
      );
      assert.deepEqual(thief.all("newMessage"), []);
      assert.equal(thief.socket.recovered, false);
      thief.close();
    }));

  for (const [name, end] of [
    ["kill -9", () => server.kill()],
    ["SIGTERM", () => server.terminate()],
  ] as const) {
    test(
      `${name} and restart: sockets return by themselves, missed messages come once, nothing is lost`,
      { skip: server.ours ? false : "not our server to end" },
      () =>
        scene(async (s) => {
          const sent = await s.send("before");
          await returned(s.tab, sent);
          await end();
          await eventually("Bob's socket noticed", () => !s.tab.socket.connected);
          assert.ok(s.tab.socket.active, "the client will come back");
          s.wire.cut();
          await server.start();
          sent.push(...(await s.send("after the restart 1", "after the restart 2")));
          s.wire.mend();
          await returned(s.tab, sent);
          assert.deepEqual(idsOf(await history(kit, s.bob, s.ann.id)), idsOf(sent));
          assert.ok(s.tab.online?.includes(s.bob.id));
          await nothingTwice(s, sent);
        }),
    );
  }
}
