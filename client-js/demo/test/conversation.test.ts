import assert from "node:assert/strict";
import { test } from "node:test";
import * as c from "../src/chat/conversation.ts";
import type { Conversation } from "../src/chat/model.ts";
import { message } from "./fixtures.ts";

const ids = (conversation: Conversation) => conversation.messages.map((m) => m._id);
const draft = { text: "hi", image: null };

test("a message that arrives twice is shown and counted once", () => {
  const once = c.received(c.emptyConversation, message(1), true);
  assert.equal(c.received(once, message(1), true), once);
  assert.equal(once.unread, 1);
});

test("messages stand in the order of their time, whatever order they arrive in", () => {
  let conversation = c.emptyConversation;
  for (const n of [3, 1, 2]) conversation = c.received(conversation, message(n), false);
  assert.deepEqual(ids(conversation), ["m1", "m2", "m3"]);
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
  assert.equal(c.historyLoaded(before, history, "peer").unread, 1);
});

test("what was sent leaves the outbox and appears once, even if an echo was faster", () => {
  const mine = message(1, { senderId: "me", receiverId: "peer" });
  const waiting = c.queued(c.emptyConversation, "k1", draft);
  assert.ok(waiting);
  const done = c.sent(c.received(waiting, mine, false), "k1", mine);
  assert.deepEqual(done.outbox, []);
  assert.deepEqual(done.messages, [{ ...mine, clientId: "k1" }]);
});

test("the outbox and the kept messages are bounded", () => {
  let conversation: Conversation | null = c.emptyConversation;
  for (let n = 0; n < c.OUTBOX_LEN_MAX; n++) {
    conversation = c.queued(conversation, `k${n}`, draft);
    assert.ok(conversation);
  }
  assert.equal(c.queued(conversation, "one more", draft), null);

  const history = Array.from({ length: c.MESSAGES_KEPT_MAX + 1 }, (_, n) => message(n));
  const kept = ids(c.historyLoaded(c.emptyConversation, history));
  assert.equal(kept.length, c.MESSAGES_KEPT_MAX);
  assert.equal(kept[0], "m1", "the oldest goes");
});
