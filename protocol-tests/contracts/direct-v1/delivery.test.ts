/** direct-v1.md section 6: `sendMessage`, its acknowledgement, and who gets `newMessage`. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually, within } from "../../lib/wait.ts";
import type { Message } from "../lib/frontend-direct.ts";
import type { Ack } from "../lib/frontend-direct-v1.ts";
import {
  type Account,
  emitMessage,
  history,
  idsOf,
  directV1 as kit,
  newAccount,
  textsOf,
} from "../lib/kit.ts";
import { startServer } from "../lib/server.ts";
import { assertMessage } from "../lib/shapes.ts";
import { openTab, type Tab } from "../lib/tabs.ts";

const server = await startServer("direct-v1");
after(() => server.stop());

function open(account: Account): Tab {
  return openTab(account, account.id);
}
const tabOf = (account: Account) => open(account).active();
const got = (tab: Tab) => tab.all<Message>("newMessage");
const people = () => Promise.all(["Ann", "Bob", "Cat"].map((name) => newAccount(server, kit, name)));
type Three = [Account, Account, Account];

test("ack and push carry the message with id, dates and timestamp", async () => {
  const [ann, bob] = (await people()) as Three;
  const [annTab, bobTab] = [await tabOf(ann), await tabOf(bob)];
  const answer = await annTab.ask("sendMessage", { to: bob.id, text: "hi", image: null });
  assert.equal(answer.length, 1);
  const ack = answer[0] as { status: string; message: Message };
  assert.equal(ack.status, "ok");
  assertMessage(ack.message, { senderId: ann.id, receiverId: bob.id, text: "hi" });
  assert.equal(ack.message.timestamp, Date.parse(ack.message.createdAt));
  assert.ok(!ack.message.image);
  await eventually("Bob gets it", () => got(bobTab).length > 0);
  assert.deepEqual(got(bobTab), [ack.message]);
  const [stored] = await history(kit, bob, ann.id);
  assert.equal(stored?._id, ack.message._id);
  assert.equal(stored?.createdAt, ack.message.createdAt);
});

test("every tab of both gets one copy, the calling socket none, others none", async () => {
  const [ann, bob, cat] = (await people()) as Three;
  const [calling, annOther, annThird] = [await tabOf(ann), await tabOf(ann), await tabOf(ann)];
  const [bobFirst, bobSecond] = [await tabOf(bob), await tabOf(bob)];
  const catTab = await tabOf(cat);
  const sent = await emitMessage(calling, bob.id, "one copy each");
  const back = await emitMessage(bobFirst, ann.id, "barrier");
  await emitMessage(bobFirst, cat.id, "barrier for Cat");
  await eventually("Cat is reached", () => got(catTab).length > 0);

  const expected: [Tab, string[]][] = [
    [calling, [back._id]],
    [annOther, [sent._id, back._id]],
    [annThird, [sent._id, back._id]],
    [bobFirst, [sent._id]],
  ];
  for (const [tab, ids] of expected) {
    await eventually("all copies", () => got(tab).length >= ids.length);
    assert.deepEqual(idsOf(got(tab)), ids);
  }
  await eventually("Bob's second tab", () => got(bobSecond).length >= 3);
  assert.deepEqual(textsOf(got(bobSecond)), ["one copy each", "barrier", "barrier for Cat"]);
  assert.deepEqual(textsOf(got(catTab)), ["barrier for Cat"]);
});

test("twenty in flight: acks, both sides' tabs and the history in the order sent", async () => {
  const [ann, bob] = (await people()) as Three;
  const [calling, annOther, bobTab] = [await tabOf(ann), await tabOf(ann), await tabOf(bob)];
  const texts = Array.from({ length: 20 }, (_, turn) => `${turn}`);
  const acked: string[] = [];
  const all = new Promise<void>((resolve) => {
    for (const text of texts) {
      calling.socket.emit("sendMessage", { to: bob.id, text, image: null }, (ack: { message: Message }) => {
        acked.push(String(ack.message.text));
        if (acked.length === texts.length) resolve();
      });
    }
  });
  await within("twenty acks", all);
  assert.deepEqual(acked, texts);
  for (const tab of [bobTab, annOther]) {
    await eventually("twenty messages", () => got(tab).length >= texts.length);
    assert.deepEqual(textsOf(got(tab)), texts);
  }
  assert.deepEqual(textsOf(await history(kit, bob, ann.id)), texts);
  assert.deepEqual(got(calling), []);
});

test("two who write at once: everybody sees the one order of the history", async () => {
  const [ann, bob] = (await people()) as Three;
  const [annTab, bobTab, annWatch, bobWatch] = [
    await tabOf(ann),
    await tabOf(bob),
    await tabOf(ann),
    await tabOf(bob),
  ];
  const turns = Array.from({ length: 15 }, (_, turn) => turn);
  await Promise.all([
    ...turns.map((turn) => emitMessage(annTab, bob.id, `ann ${turn}`)),
    ...turns.map((turn) => emitMessage(bobTab, ann.id, `bob ${turn}`)),
  ]);
  const order = idsOf(await history(kit, ann, bob.id));
  assert.equal(order.length, 30);
  for (const tab of [annWatch, bobWatch]) {
    await eventually("thirty messages", () => got(tab).length >= 30);
    assert.deepEqual(idsOf(got(tab)), order);
  }
});

test("a message sent before the upgrade brought proof is held, then accepted", async () => {
  const [ann, bob] = (await people()) as Three;
  const bobTab = await tabOf(bob);
  const early = open(ann);
  const acks = [
    early.ask("sendMessage", { to: bob.id, text: "early 1", image: null }),
    early.ask("sendMessage", { to: bob.id, text: "early 2", image: null }),
  ];
  for (const ack of acks) assert.equal(((await ack)[0] as Ack).status, "ok");
  await eventually("Bob gets both", () => got(bobTab).length >= 2);
  assert.deepEqual(textsOf(got(bobTab)), ["early 1", "early 2"]);
});

test("junk is acknowledged as an error, with or without ack kills nothing, and stores nothing", async () => {
  const [ann, bob] = (await people()) as Three;
  const [tab, bobTab] = [await tabOf(ann), await tabOf(bob)];
  const { id } = tab.socket;
  let deep: unknown = "bottom";
  for (let depth = 0; depth < 500; depth += 1) deep = [deep];
  const junk: unknown[][] = [
    [],
    [null],
    [5],
    ["text"],
    [[]],
    [{}],
    [{ to: bob.id }],
    [{ to: bob.id, text: "", image: null }],
    [{ to: bob.id, text: 5, image: null }],
    [{ to: bob.id, text: { $gt: "" }, image: null }],
    [{ to: 5, text: "hi", image: null }],
    [{ to: "undefined", text: "hi", image: null }],
    [{ to: { $gt: "" }, text: "hi", image: null }],
    [{ to: "0123456789abcdef01234567", text: "hi", image: null }],
    [{ to: bob.id, text: "hi", image: 5 }],
    [{ to: bob.id, text: Buffer.from("bytes"), image: null }],
    [Buffer.from("bytes")],
    [deep],
  ];
  for (const args of junk) {
    const answer = await tab.ask("sendMessage", ...args);
    const said = JSON.stringify(args).slice(0, 80);
    assert.equal(answer.length, 1, said);
    const ack = answer[0] as Ack;
    assert.ok(typeof ack.status === "string" && ack.status !== "ok", `${said}: ${JSON.stringify(ack)}`);
    assert.ok(typeof ack.message === "string" && ack.message, `${said}: ${JSON.stringify(ack)}`);
    tab.socket.emit("sendMessage", ...args);
  }
  tab.socket.emit("no such event", { anything: 1 });
  tab.socket.emit("sendMessage", { to: bob.id, text: "no ack wanted", image: null });
  await emitMessage(tab, bob.id, "fine");
  assert.equal(tab.socket.id, id, "the connection survived");
  await eventually("Bob gets both", () => got(bobTab).length >= 2);
  assert.deepEqual(textsOf(got(bobTab)), ["no ack wanted", "fine"]);
  assert.deepEqual(textsOf(await history(kit, bob, ann.id)), ["no ack wanted", "fine"]);
});

test("an event nobody handles, but with an ack: answered or ignored, never fatal", async () => {
  const [ann, bob] = (await people()) as Three;
  const tab = await tabOf(ann);
  tab.socket.emit("deleteEverything", bob.id, () => {});
  tab.socket.emit("getOnlineUsers", [bob.id]);
  tab.socket.emit("newMessage", { senderId: bob.id, receiverId: ann.id, text: "forged" });
  const bobTab = await tabOf(bob);
  const sent = await emitMessage(tab, bob.id, "after it");
  await eventually("Bob gets it", () => got(bobTab).length > 0);
  assert.deepEqual(idsOf(got(bobTab)), [sent._id]);
});

test("a forged sender in the payload changes nothing", async () => {
  const [ann, bob, cat] = (await people()) as Three;
  const tab = await tabOf(ann);
  const forged = { to: bob.id, text: "hi", image: null, senderId: cat.id, from: cat.id, _id: cat.id };
  const [ack] = (await tab.ask("sendMessage", forged)) as [{ message: Message }];
  assertMessage(ack.message, { senderId: ann.id, receiverId: bob.id, text: "hi" });
  assert.deepEqual(await history(kit, bob, cat.id), []);
});

test("a retry with the same clientId is the same message", async () => {
  const [ann, bob] = (await people()) as Three;
  const [tab, bobTab] = [await tabOf(ann), await tabOf(bob)];
  const payload = { to: bob.id, text: "once", image: null, clientId: "retry-1" };
  const [first] = (await tab.ask("sendMessage", payload)) as [{ message: Message }];
  const [second] = (await tab.ask("sendMessage", payload)) as [{ message: Message }];
  assert.equal(second.message._id, first.message._id);
  const end = await emitMessage(tab, bob.id, "end");
  await eventually("the end", () => got(bobTab).some((message) => message._id === end._id));
  assert.deepEqual(idsOf(got(bobTab)), [first.message._id, end._id]);
});
