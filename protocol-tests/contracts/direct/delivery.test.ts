/** direct.md section 6: who gets `newMessage`, and that it is the message REST gave. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "../../lib/wait.ts";
import { call } from "../lib/browser-http.ts";
import type { Message } from "../lib/frontend-direct.ts";
import { dataUrl } from "../lib/images.ts";
import { type Account, history, idsOf, direct as kit, newAccount, textsOf } from "../lib/kit.ts";
import { startServer } from "../lib/server.ts";
import { openTab, type Tab } from "../lib/tabs.ts";

const server = await startServer("direct");
after(() => server.stop());

function tabOf(account: Account): Promise<Tab> {
  return openTab(account, account.id).active();
}
const got = (tab: Tab) => tab.all<Message>("newMessage");
const send = async (
  from: Account,
  to: Account,
  text: string,
  image: string | null = null,
): Promise<Message> => (await call(from, "POST", `/messages/send/${to.id}`, { text, image })).data;

test("every socket of the receiver gets one copy, equal to the REST message; others get none", async () => {
  const [ann, bob, cat] = [
    await newAccount(server, kit, "Ann"),
    await newAccount(server, kit, "Bob"),
    await newAccount(server, kit, "Cat"),
  ];
  const [first, second, third] = [await tabOf(bob), await tabOf(bob), await tabOf(bob)];
  const [annTab, catTab] = [await tabOf(ann), await tabOf(cat)];
  const sent = [await send(ann, bob, "text"), await send(ann, bob, "", dataUrl("gif"))];
  for (const tab of [first, second, third]) {
    await eventually("both messages", () => got(tab).length >= 2);
  }
  const barrier = [await send(bob, cat, "barrier"), await send(cat, ann, "barrier")];
  const last = await send(cat, bob, "barrier");
  await eventually("Cat is reached", () => got(catTab).length > 0);
  await eventually("Ann is reached", () => got(annTab).some((message) => message.senderId === cat.id));
  assert.deepEqual(idsOf(got(catTab)), [barrier[0]?._id]);
  for (const tab of [first, second, third]) {
    await eventually("the barrier", () => got(tab).some((message) => message._id === last._id));
    assert.deepEqual(
      got(tab).filter((message) => message.senderId !== bob.id),
      [...sent, last],
    );
  }
});

test("twenty sends one after another arrive in order; twenty at once in the order of the history", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const tab = await tabOf(bob);
  const texts = Array.from({ length: 20 }, (_, turn) => `${turn}`);
  for (const text of texts) await send(ann, bob, text);
  await eventually("twenty", () => got(tab).length >= 20);
  assert.deepEqual(textsOf(got(tab)), texts);
  await Promise.all(texts.map((text) => send(ann, bob, `again ${text}`)));
  await eventually("forty", () => got(tab).length >= 40);
  assert.deepEqual(idsOf(got(tab)), idsOf(await history(kit, bob, ann.id)));
});

test("whatever a client emits, the connection survives and nothing is sent", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const [annTab, bobTab] = [await tabOf(ann), await tabOf(bob)];
  const { id } = annTab.socket;
  for (const args of [[], [null], [{ to: bob.id, text: "hi" }], [Buffer.from("x")], ["x".repeat(10_000)]]) {
    annTab.socket.emit("sendMessage", ...args, () => {});
    annTab.socket.emit("newMessage", ...args);
    annTab.socket.emit("getOnlineUsers", ...args);
  }
  const sent = await send(bob, ann, "still there?");
  await eventually("Ann is reached", () => got(annTab).length > 0);
  assert.deepEqual(idsOf(got(annTab)), [sent._id]);
  assert.equal(annTab.socket.id, id);
  const last = await send(ann, bob, "yes");
  await eventually("Bob is reached", () => got(bobTab).some((message) => message._id === last._id));
  assert.deepEqual(
    textsOf(got(bobTab)).filter((text) => text === "hi"),
    [],
  );
});
