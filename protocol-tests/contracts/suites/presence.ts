/** `getOnlineUsers`: online is who has at least one live, proven socket. Both contracts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../../lib/wait.ts";
import { type Account, type Kit, newAccount } from "../lib/kit.ts";
import { layWire } from "../lib/proxy.ts";
import type { Server } from "../lib/server.ts";
import { ID } from "../lib/shapes.ts";
import { at, openTab } from "../lib/tabs.ts";

export function presenceSuite(kit: Kit, server: Server): void {
  const tabOf = (account: Account) => openTab(account, account.id).active();

  test("everybody hears of every arrival and departure; own id included, ids unique and real", async () => {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    const annTab = await tabOf(ann);
    assert.ok(annTab.online?.includes(ann.id));
    assert.ok(!annTab.online?.includes(bob.id));
    const bobTab = await tabOf(bob);
    assert.ok(bobTab.online?.includes(ann.id) && bobTab.online.includes(bob.id));
    await eventually("Ann sees Bob", () => annTab.online?.includes(bob.id));
    bobTab.close();
    await eventually("Ann sees Bob leave", () => !annTab.online?.includes(bob.id));
    for (const list of annTab.all<string[]>("getOnlineUsers")) {
      assert.equal(new Set(list).size, list.length);
      for (const id of list) assert.match(id, ID);
    }
    for (const { args } of annTab.seen) assert.ok(Array.isArray(args[0]));
  });

  test("several tabs count once; offline only when the last one is closed", async () => {
    const [ann, bob, cat] = [
      await newAccount(server, kit, "Ann"),
      await newAccount(server, kit, "Bob"),
      await newAccount(server, kit, "Cat"),
    ];
    const watcher = await tabOf(ann);
    const [first, second] = [await tabOf(bob), await tabOf(bob)];
    assert.equal(second.online?.filter((id) => id === bob.id).length, 1);
    await eventually("Ann sees Bob", () => watcher.online?.includes(bob.id));

    second.close();
    await tabOf(cat);
    await eventually("Ann sees Cat", () => watcher.online?.includes(cat.id));
    assert.ok(watcher.online?.includes(bob.id), "one tab is still open");
    const sender = await kit.sender(ann);
    await sender.send(bob.id, "are you there?");
    sender.close();
    await eventually("the open tab still gets messages", () => first.all("newMessage").length === 1);

    first.close();
    await eventually("Ann sees Bob leave", () => !watcher.online?.includes(bob.id));
    assert.ok(watcher.online?.includes(ann.id));
  });

  test("a reload in another order (new tab first, old one closed late) leaves the user online", async () => {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    const watcher = await tabOf(ann);
    const before = await tabOf(bob);
    const afterReload = await tabOf(bob);
    await eventually("Ann sees Bob", () => watcher.online?.includes(bob.id));
    const lists = watcher.all("getOnlineUsers").length;
    before.close();
    const sender = await kit.sender(ann);
    await sender.send(bob.id, "hello");
    sender.close();
    await eventually("the new tab gets it", () => afterReload.all("newMessage").length === 1);
    for (const list of watcher.all<string[]>("getOnlineUsers").slice(lists)) assert.ok(list.includes(bob.id));
  });

  test("a connection that breaks without a goodbye leaves no ghost", async () => {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    const wire = await layWire(bob);
    const watcher = await tabOf(ann);
    const broken = await (await tabOf(at(wire.url, bob))).upgraded();
    await eventually("Ann sees Bob", () => watcher.online?.includes(bob.id));
    wire.cut();
    await eventually("Ann sees Bob leave", () => !watcher.online?.includes(bob.id), 30_000);
    wire.mend();
    await eventually("Ann sees Bob return", () => watcher.online?.includes(bob.id), 30_000);
    await eventually(
      "Bob sees both",
      () => broken.online?.includes(ann.id) && broken.online.includes(bob.id),
    );
    broken.close();
    await wire.close();
  });
}
