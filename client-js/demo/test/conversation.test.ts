import assert from "node:assert/strict";
import { test } from "node:test";
import * as c from "../src/chat/conversation.ts";
import type { Conversation } from "../src/chat/model.ts";
import { message } from "./fixtures.ts";

const ids = (conversation: Conversation) => conversation.messages.map((m) => m._id);
const draft = { text: "hi", image: null };
const mine = (n: number, clientId?: string) =>
  message(n, { senderId: "me", receiverId: "peer", ...(clientId && { clientId }) });

test("a message that arrives twice is shown and counted once", () => {
  const once = c.received(c.emptyConversation, message(1), true);
  assert.equal(c.received(once, message(1), true), once);
  assert.equal(once.unread, 1);
});

test("messages stand in the order in which they arrive, whatever the servers' clocks say", () => {
  let conversation = c.emptyConversation;
  for (const n of [3, 1, 2]) conversation = c.received(conversation, message(n), false);
  assert.deepEqual(ids(conversation), ["m3", "m1", "m2"]);
});

test("the history's order is kept, although a gateway's clock went back an hour", () => {
  const page = [message(5000), message(4997), message(1400)];
  assert.deepEqual(ids(c.historyLoaded(c.emptyConversation, page)), ["m5000", "m4997", "m1400"]);
});

test("a push that is dated before the history comes after it", () => {
  const loaded = c.historyLoaded(c.emptyConversation, [message(10), message(11)]);
  assert.deepEqual(ids(c.received(loaded, message(2), false)), ["m10", "m11", "m2"]);
});

test("what one sent comes last, also when the server's clock dates it before the others", () => {
  const loaded = c.historyLoaded(c.emptyConversation, [message(10), message(11)]);
  const waiting = c.queued(loaded, "k1", draft);
  assert.ok(waiting);
  assert.deepEqual(ids(c.sent(waiting, "k1", mine(3))), ["m10", "m11", "m3"]);
});

test("messages that crossed stand as the history has them, once it is fetched again", () => {
  const waiting = c.queued(c.received(c.emptyConversation, message(1), false), "k1", draft);
  assert.ok(waiting);
  const crossed = c.sent(c.received(waiting, message(2), false), "k1", mine(3));
  assert.deepEqual(ids(crossed), ["m1", "m2", "m3"]);
  const settled = c.historyLoaded(crossed, [message(1), mine(3), message(2)], crossed.messages);
  assert.deepEqual(ids(settled), ["m1", "m3", "m2"]);
});

test("what is older than the page stays before it, what came in since stays after it", () => {
  const before = c.historyLoaded(c.emptyConversation, [message(7), message(6), message(8)]);
  const since = c.received(before, message(1), false);
  const loaded = c.historyLoaded(since, [message(8), message(9)], before.messages);
  assert.deepEqual(ids(loaded), ["m7", "m6", "m8", "m9", "m1"]);
});

test("what lies before a gap is let go, and can be had again", () => {
  const before = c.historyLoaded(c.emptyConversation, [message(1), message(2)]);
  const ended = c.olderLoaded(before, "m1", []);
  assert.equal(ended.older, "none");
  const live = c.received(ended, message(9), false);
  const loaded = c.historyLoaded(live, [message(7), message(8), message(9)], live.messages);
  assert.deepEqual(ids(loaded), ["m7", "m8", "m9"]);
  assert.equal(loaded.older, "unknown");
});

test("a history that has it is the confirmation of what waits", () => {
  const waiting = c.queued(c.emptyConversation, "k1", draft);
  assert.ok(waiting);
  const loaded = c.historyLoaded(waiting, [mine(1, "k1"), message(2)]);
  assert.deepEqual(loaded.outbox, []);
  assert.deepEqual(ids(c.sent(loaded, "k1", mine(1))), ["m1", "m2"]);
});

test("the history is merged with what arrived while it was fetched", () => {
  const live = c.received(c.emptyConversation, message(3), false);
  const loaded = c.historyLoaded(live, [message(1), message(2)]);
  assert.deepEqual(ids(loaded), ["m1", "m2", "m3"]);
  assert.equal(loaded.messages[2], live.messages[0], "what is on screen stays the same object");
});

test("equal times keep the server's order", () => {
  const at = message(1).createdAt;
  const history = ["b", "a", "c"].map((_id) => ({ ...message(1), _id, createdAt: at }));
  assert.deepEqual(ids(c.historyLoaded(c.emptyConversation, history)), ["b", "a", "c"]);
});

test("only what the other wrote and was missed counts as unread", () => {
  const before = c.received(c.emptyConversation, message(1), false);
  const history = [message(1), message(2), message(3, { senderId: "me", receiverId: "peer" })];
  assert.equal(c.historyLoaded(before, history, before.messages, "peer").unread, 1);
});

test("messages from before those that are known are no news", () => {
  const before = c.historyLoaded(c.emptyConversation, [message(5)]);
  const page = [message(3), message(4), message(5), message(6)];
  assert.equal(c.historyLoaded(before, page, before.messages, "peer").unread, 1);
});

test("what was sent leaves the outbox and appears once, even if an echo was faster", () => {
  const waiting = c.queued(c.emptyConversation, "k1", draft);
  assert.ok(waiting);
  const done = c.sent(c.received(waiting, mine(1), false), "k1", mine(1));
  assert.deepEqual(done.outbox, []);
  assert.deepEqual(done.messages, [mine(1, "k1")]);
});

test("the outbox and the kept messages are bounded", () => {
  let conversation: Conversation | null = c.emptyConversation;
  for (let n = 0; n < c.OUTBOX_LEN_MAX; n++) {
    conversation = c.queued(conversation, `k${n}`, draft);
    assert.ok(conversation);
  }
  assert.equal(c.queued(conversation, "one more", draft), null);

  const full = c.olderLoaded(c.historyLoaded(c.emptyConversation, range(0, c.MESSAGES_KEPT_MAX)), "m0", []);
  const kept = c.received(full, message(c.MESSAGES_KEPT_MAX), false);
  assert.equal(kept.messages.length, c.MESSAGES_KEPT_MAX);
  assert.equal(kept.messages[0]?._id, "m1", "the oldest goes");
  assert.equal(kept.older, "unknown", "and can be had again");
});

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => message(from + n));

test("older messages come before the first, until there are none", () => {
  const loaded = c.historyLoaded(c.emptyConversation, [message(3), message(4)]);
  const more = c.olderLoaded(loaded, "m3", [message(9), message(2)]);
  assert.deepEqual(ids(more), ["m9", "m2", "m3", "m4"]);
  assert.equal(more.older, "unknown");
  assert.equal(c.olderLoaded(more, "m9", []).older, "none");
  assert.equal(c.olderLoaded(more, "m9", loaded.messages).older, "none", "a server that knows no pages");
});

test("older messages of another stretch are not put here", () => {
  const loaded = c.historyLoaded(c.emptyConversation, [message(3)]);
  const other = c.olderLoaded({ ...loaded, older: "loading" }, "m8", [message(7)]);
  assert.deepEqual(ids(other), ["m3"]);
  assert.equal(other.older, "unknown");
});

/** Read back so far that the newest messages had to go. */
function readBack() {
  const latest = c.historyLoaded(c.emptyConversation, range(100, 100 + c.MESSAGES_KEPT_MAX));
  return c.olderLoaded(latest, "m100", range(0, 100));
}

test("who reads back far keeps a bounded stretch, and the newest is still known", () => {
  const back = readBack();
  assert.equal(back.messages.length, c.MESSAGES_KEPT_MAX);
  assert.equal(back.messages[0]?._id, "m0");
  assert.equal(c.latest(back)?._id, `m${99 + c.MESSAGES_KEPT_MAX}`);
});

test("what arrives while one reads an older stretch is the newest, and makes no gap in it", () => {
  const back = readBack();
  const arrived = c.received(back, message(5000), false);
  assert.equal(arrived.messages, back.messages);
  assert.equal(c.latest(arrived)?._id, "m5000");
  assert.equal(c.received(arrived, message(5000), false), arrived);
  const sent = c.sent(arrived, "k1", mine(5001));
  assert.equal(sent.messages, back.messages);
  assert.equal(c.latest(sent)?._id, "m5001");
  assert.equal(c.historyLoaded(sent, [message(5002)], sent.messages).messages, back.messages);
});

test("back at the end stands the latest page, and what arrives from then on", () => {
  const end = c.backAtEnd(c.received(readBack(), message(5000), false));
  assert.deepEqual(ids(end), ["m5000"]);
  const arrived = c.received(end, message(5001), false);
  const loaded = c.historyLoaded(arrived, [message(4999), message(5000)], end.messages);
  assert.deepEqual(ids(loaded), ["m4999", "m5000", "m5001"]);
  assert.equal(loaded.newest, null);
  assert.equal(loaded.older, "unknown");
});
