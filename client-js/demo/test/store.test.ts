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

test("after a message that crossed with others, the history says where it stands", async () => {
  const answers: ((stored: Message) => void)[] = [];
  let stored: Message[] = [];
  const { chat, link } = await startedChat({
    send: () => new Promise((resolve) => answers.push(resolve)),
    history: async () => stored,
  });
  const order = () => chat.getSnapshot().conversations.peer?.messages.map((m) => m._id);
  const mine = message(1, { senderId: "me", receiverId: "peer" });
  chat.open("peer");
  await settled();
  chat.send("peer", draft);
  await settled();
  link.on.message(message(2));
  stored = [mine, message(2)];
  answers[0]?.(mine);
  await settled();
  assert.deepEqual(order(), ["m1", "m2"]);
});

test("a push that was overtaken by the answer to one's own message is put right too", async () => {
  let stored: Message[] = [];
  const { chat, link, runTimers } = await startedChat({
    send: async () => message(1, { senderId: "me", receiverId: "peer" }),
    history: async () => stored,
  });
  const order = () => chat.getSnapshot().conversations.peer?.messages.map((m) => m._id);
  chat.open("peer");
  await settled();
  chat.send("peer", draft);
  await settled();
  link.on.message(message(2));
  stored = [message(2), message(1, { senderId: "me", receiverId: "peer" })];
  assert.deepEqual(order(), ["m1", "m2"]);
  runTimers();
  await settled();
  assert.deepEqual(order(), ["m2", "m1"]);
});

test("a message that crossed with nothing costs no request", async () => {
  let fetched = 0;
  const { chat, runTimers } = await startedChat({
    history: async () => {
      fetched++;
      return [];
    },
  });
  chat.open("peer");
  await settled();
  const before = fetched;
  chat.send("peer", draft);
  await settled();
  runTimers();
  await settled();
  assert.equal(fetched, before);
});

test("the list has the server's order, then the order of arrival, whatever the dates are", async () => {
  const { chat, link } = await startedChat({ chats: async () => [user("other"), user("peer")] });
  assert.deepEqual(chat.getSnapshot().recent, ["other", "peer"]);
  link.on.message(message(-100));
  assert.deepEqual(chat.getSnapshot().recent, ["peer", "other"]);
  chat.send("other", draft);
  await settled();
  assert.deepEqual(chat.getSnapshot().recent, ["other", "peer"]);
});

test("older messages are fetched before the first, one page at a time", async () => {
  const asked: (string | undefined)[] = [];
  const { chat } = await startedChat({
    history: async (_peerId, before) => {
      asked.push(before);
      if (!before) return [message(5), message(6)];
      return before === "m5" ? [message(3), message(4)] : [];
    },
  });
  const peer = () => chat.getSnapshot().conversations.peer;
  chat.open("peer");
  await settled();
  asked.length = 0;
  await Promise.all([chat.loadOlder("peer"), chat.loadOlder("peer")]);
  await chat.loadOlder("peer");
  await chat.loadOlder("peer");
  assert.deepEqual(asked, ["m5", "m3"]);
  assert.deepEqual(
    peer()?.messages.map((m) => m._id),
    ["m3", "m4", "m5", "m6"],
  );
  assert.equal(peer()?.older, "none");
});

test("older messages that could not be fetched can be asked for again", async () => {
  let works = false;
  const { chat } = await startedChat({
    history: async (_peerId, before) => {
      if (before && !works) throw new ApiError(500, "broken");
      return before ? [message(1)] : [message(2)];
    },
  });
  chat.open("peer");
  await settled();
  await chat.loadOlder("peer");
  assert.equal(chat.getSnapshot().conversations.peer?.older, "failed");
  works = true;
  await chat.loadOlder("peer");
  assert.equal(chat.getSnapshot().conversations.peer?.messages.length, 2);
});

test("somebody who was silent before the gap and wrote in it counts as unread", async () => {
  let chats: string[] = [];
  const many = Array.from({ length: 30 }, (_, n) => `p${n}`);
  const { chat, link } = await startedChat({
    people: async () => many.map(user),
    chats: async () => chats.map(user),
    history: async (id) => (chats.includes(id) ? [message(1, { senderId: id })] : []),
  });
  link.on.down();
  chats = ["p29"];
  link.on.up(false);
  await settled();
  assert.equal(chat.getSnapshot().conversations.p29?.unread, 1);
});

test("a conversation that was not fetched after a gap is fetched when it is opened", async () => {
  const many = Array.from({ length: 30 }, (_, n) => `p${n}`);
  const fetched: string[] = [];
  const { chat, link } = await startedChat({
    people: async () => many.map(user),
    history: async (id) => {
      fetched.push(id);
      return [];
    },
  });
  chat.open("p29");
  await settled();
  chat.open(null);
  link.on.down();
  link.on.up(false);
  await settled();
  fetched.length = 0;
  chat.open("p29");
  assert.deepEqual(fetched, ["p29"]);
});
