/** direct.md section 5: `POST /api/messages/send/:id`, text and pictures. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { call } from "../lib/browser-http.ts";
import { history, idsOf, direct as kit, newAccount } from "../lib/kit.ts";
import { startServer } from "../lib/server.ts";
import { assertError, assertMessage } from "../lib/shapes.ts";
import { picturesSuite } from "../suites/pictures.ts";

const server = await startServer("direct");
after(() => server.stop());

test("text: 201, the bare stored message, no image field", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const answer = await call(ann, "POST", `/messages/send/${bob.id}`, { text: "hi", image: null });
  assert.equal(answer.status, 201);
  assertMessage(answer.data, { senderId: ann.id, receiverId: bob.id, text: "hi" });
  assert.ok(!answer.data.image);
  assert.deepEqual(await history(kit, bob, ann.id), [answer.data]);
});

test("the sender is the log-in's, whatever the body says", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const forged = { text: "hi", image: null, senderId: bob.id, receiverId: ann.id, _id: ann.id };
  const answer = await call(ann, "POST", `/messages/send/${bob.id}`, forged);
  assertMessage(answer.data, { senderId: ann.id, receiverId: bob.id, text: "hi" });
  assert.notEqual(answer.data._id, ann.id);
});

test("refused: empty, of a wrong type, to nobody", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const send = (to: string, body: object) => call(ann, "POST", `/messages/send/${to}`, body);
  for (const body of [{}, { text: "" }, { text: "   ", image: null }, { text: "", image: "" }]) {
    assertError(await send(bob.id, body), 400, "Text or image is required.");
  }
  for (const text of [5, {}, ["hi"], true]) assertError(await send(bob.id, { text, image: null }), 400);
  assertError(await send("0123456789abcdef01234567", { text: "hi" }), 404, "Receiver not found.");
  for (const id of ["undefined", "123"]) assertError(await send(id, { text: "hi" }), [400, 404]);
  assert.deepEqual(await history(kit, ann, bob.id), []);
});

test("a message to oneself is stored once, as in the original (its successor refuses it)", async () => {
  const ann = await newAccount(server, kit, "Ann");
  const answer = await call(ann, "POST", `/messages/send/${ann.id}`, { text: "note", image: null });
  assert.equal(answer.status, 201);
  assert.deepEqual(await history(kit, ann, ann.id), [answer.data]);
});

test("twenty sends at once are stored once each", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, turn) =>
      call(ann, "POST", `/messages/send/${bob.id}`, { text: `${turn}`, image: null }),
    ),
  );
  const seen = await history(kit, bob, ann.id);
  assert.deepEqual(idsOf(seen).sort(), idsOf(answers.map((answer) => answer.data)).sort());
});

picturesSuite(kit, server, 201);
