/** direct-v1.md section 5: `POST /api/messages/send/:id` (pictures); nothing of it comes back to the sender. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "../../lib/wait.ts";
import { call } from "../lib/browser-http.ts";
import type { Message } from "../lib/frontend-direct.ts";
import { dataUrl } from "../lib/images.ts";
import { emitMessage, history, directV1 as kit, newAccount } from "../lib/kit.ts";
import { startServer } from "../lib/server.ts";
import { assertError, assertMessage } from "../lib/shapes.ts";
import { openTab } from "../lib/tabs.ts";
import { picturesSuite } from "../suites/pictures.ts";

const server = await startServer("direct-v1");
after(() => server.stop());

test("200 with the wrapped message; pushed to all sockets of the receiver, to none of the sender", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const annTabs = [openTab(ann, ann.id), openTab(ann, ann.id)];
  const bobTabs = [openTab(bob, bob.id), openTab(bob, bob.id)];
  for (const tab of [...annTabs, ...bobTabs]) await tab.active();

  const answer = await call(ann, "POST", `/messages/send/${bob.id}`, { text: "look", image: dataUrl("png") });
  assert.equal(answer.status, 200);
  assert.equal(answer.data.message, "Message sent successfully");
  const sent: Message = answer.data.data;
  for (const tab of bobTabs) {
    await eventually("Bob's tab gets it", () => tab.all("newMessage").length > 0);
  }
  // What Bob says next is a barrier for an echo to Ann, and for a second copy to Bob.
  const [first, second] = bobTabs;
  if (!first || !second) throw new Error("two tabs");
  const back = await emitMessage(first, ann.id, "nice");
  await eventually("Bob's other tab shows the answer", () => second.all("newMessage").length === 2);
  for (const tab of annTabs) {
    await eventually("Ann gets the answer", () => tab.all("newMessage").length > 0);
    assert.deepEqual(
      tab.all<Message>("newMessage").map((message) => message._id),
      [back._id],
    );
  }
  for (const tab of bobTabs) {
    const pushed = tab.all<Message>("newMessage").filter((message) => message._id === sent._id);
    assert.equal(pushed.length, 1);
    assert.deepEqual({ ...pushed[0], timestamp: sent.timestamp }, { ...sent, timestamp: sent.timestamp });
  }
});

test("text alone over REST: image is the empty string", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const answer = await call(ann, "POST", `/messages/send/${bob.id}`, { text: "hi", image: "" });
  assert.equal(answer.status, 200, JSON.stringify(answer.data));
  assertMessage(answer.data.data, { senderId: ann.id, receiverId: bob.id, text: "hi" });
  assert.equal(answer.data.data.image, "");
});

test("the sender is the log-in's, whatever the body says", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const forged = { text: "hi", image: dataUrl("png"), senderId: bob.id, receiverId: ann.id, _id: ann.id };
  const answer = await call(ann, "POST", `/messages/send/${bob.id}`, forged);
  assertMessage(answer.data.data, { senderId: ann.id, receiverId: bob.id, text: "hi" });
  assert.notEqual(answer.data.data._id, ann.id);
});

test("refused: empty, of a wrong type, to nobody", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const send = (to: string, body: object) => call(ann, "POST", `/messages/send/${to}`, body);
  for (const body of [{}, { text: "" }, { text: "", image: "" }]) {
    assertError(await send(bob.id, body), 400);
  }
  for (const text of [5, {}, ["hi"], true]) assertError(await send(bob.id, { text, image: null }), 400);
  for (const id of ["0123456789abcdef01234567", "undefined", "123"]) {
    assertError(await send(id, { text: "hi", image: dataUrl("png") }), [400, 404]);
  }
  assert.deepEqual(await history(kit, ann, bob.id), []);
});

picturesSuite(kit, server, 200);
