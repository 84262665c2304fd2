import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../src/chat/api.ts";
import type { Message } from "../src/chat/model.ts";
import { message, settled, startedChat, user } from "./fixtures.ts";

const draft = { text: "hi", image: null };

test("a snapshot stays the same object until something changes", async () => {
  const { chat } = await startedChat();
  let calls = 0;
  const unsubscribe = chat.subscribe(() => calls++);
  const before = chat.getSnapshot();
  assert.equal(chat.getSnapshot(), before);
  chat.say("hello");
  assert.notEqual(chat.getSnapshot(), before);
  unsubscribe();
  chat.say(null);
  assert.equal(calls, 1);
});

test("a message counts as unread unless its conversation is open", async () => {
  const { chat, link } = await startedChat();
  chat.open("peer");
  link.on.message(message(1));
  link.on.message(message(2, { senderId: "other" }));
  const { conversations } = chat.getSnapshot();
  assert.equal(conversations.peer?.unread, 0);
  assert.equal(conversations.other?.unread, 1);
  chat.open("other");
  assert.equal(chat.getSnapshot().conversations.other?.unread, 0);
});

test("messages to one person leave in order, the next after the answer to the one before", async () => {
  const started: string[] = [];
  const answers: ((stored: Message) => void)[] = [];
  const { chat } = await startedChat({
    send: (_peerId, { text }) => {
      started.push(text);
      return new Promise((resolve) => answers.push(resolve));
    },
  });
  chat.send("peer", { ...draft, text: "first" });
  chat.send("peer", { ...draft, text: "second" });
  await settled();
  assert.deepEqual(started, ["first"]);
  answers[0]?.(message(1, { senderId: "me", receiverId: "peer" }));
  await settled();
  assert.deepEqual(started, ["first", "second"]);
});

test("what could not be sent is kept, and a retry is the same message", async () => {
  const keys: string[] = [];
  const { chat } = await startedChat({
    send: async (_peerId, { clientId }) => {
      keys.push(clientId);
      if (keys.length === 1) throw new ApiError(0, "no answer");
      return message(1, { senderId: "me", receiverId: "peer" });
    },
  });
  chat.send("peer", draft);
  await settled();
  const failed = chat.getSnapshot().conversations.peer?.outbox[0];
  assert.equal(failed?.status, "failed");
  await chat.retry("peer", failed.clientId);
  const conversation = chat.getSnapshot().conversations.peer;
  assert.deepEqual(conversation?.outbox, []);
  assert.equal(conversation?.messages.length, 1);
  assert.equal(keys[0], keys[1]);
});

test("after a gap the server could not replay, the conversations are fetched again", async () => {
  const stored: Message[] = [];
  const { chat, link } = await startedChat({
    history: async (id) => stored.filter((m) => m.senderId === id),
  });
  chat.open("peer");
  await settled();
  link.on.down();
  assert.equal(chat.getSnapshot().link.is, "reconnecting");
  stored.push(message(1), message(2, { senderId: "other" }));
  link.on.up(false);
  await settled();
  const { conversations, link: state } = chat.getSnapshot();
  assert.deepEqual(state, { is: "online", caughtUp: "refreshed" });
  assert.equal(conversations.peer?.messages.length, 1);
  assert.equal(conversations.other?.unread, 1);
});

test("after a gap the server has replayed, nothing is fetched", async () => {
  let fetched = 0;
  const { chat, link } = await startedChat({
    history: async () => {
      fetched++;
      return [];
    },
  });
  await settled();
  const before = fetched;
  link.on.down();
  link.on.up(true);
  await settled();
  assert.equal(fetched, before);
  assert.deepEqual(chat.getSnapshot().link, { is: "online", caughtUp: "recovered" });
});

test("an unknown person coming online refreshes the list once", async () => {
  let people = [user("peer")];
  let fetched = 0;
  const { chat, link } = await startedChat({
    people: async () => {
      fetched++;
      return people;
    },
  });
  people = [user("peer"), user("new")];
  link.on.onlineUsers(["me", "peer", "new"]);
  await settled();
  link.on.onlineUsers(["me", "peer", "new"]);
  await settled();
  assert.equal(fetched, 2);
  assert.deepEqual([...chat.getSnapshot().online], ["me", "peer", "new"]);
  assert.equal(chat.getSnapshot().people.length, 2);
});

test("a refused link asks who we are: still us, so it tries again", async () => {
  const { link, runTimers } = await startedChat();
  link.on.refused();
  runTimers();
  await settled();
  assert.equal(link.reconnects, 1);
});

test("a refused link asks who we are: nobody, so the session is over", async () => {
  const { chat, api, link, runTimers } = await startedChat();
  api.check = async () => {
    throw new ApiError(401, "Unauthorized");
  };
  link.on.refused();
  runTimers();
  await settled();
  assert.equal(chat.getSnapshot().phase, "signed-out");
  assert.ok(link.closed);
});

test("nothing of an ended session is left, not even an answer that comes late", async () => {
  let answerLate: (history: Message[]) => void = () => {};
  const { chat, link } = await startedChat({
    history: () =>
      new Promise((resolve) => {
        answerLate = resolve;
      }),
  });
  chat.open("peer");
  await chat.logOut();
  answerLate([message(1)]);
  link.on.message(message(2));
  link.on.up(false);
  await settled();
  const state = chat.getSnapshot();
  assert.equal(state.phase, "signed-out");
  assert.equal(state.me, null);
  assert.deepEqual(state.conversations, {});
  assert.equal(state.link.is, "connecting");
});
