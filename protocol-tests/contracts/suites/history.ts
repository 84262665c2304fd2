/** Users list and history: order, both directions, nobody else's, bounded. Both contracts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { call, newBrowser } from "../lib/browser-http.ts";
import { history, idsOf, type Kit, newAccount, textsOf } from "../lib/kit.ts";
import { SETTING, type Server, startServer } from "../lib/server.ts";
import { assertError, assertMessage } from "../lib/shapes.ts";

export function historySuite(kit: Kit, server: Server): void {
  test("both directions, oldest first, equal for both readers, and only theirs", async () => {
    const [ann, bob, cat] = [
      await newAccount(server, kit, "Ann"),
      await newAccount(server, kit, "Bob"),
      await newAccount(server, kit, "Cat"),
    ];
    assert.deepEqual(await history(kit, ann, bob.id), []);
    const [fromAnn, fromBob] = [await kit.sender(ann), await kit.sender(bob)];
    const sent = [];
    for (let turn = 0; turn < 6; turn += 1) {
      sent.push(await (turn % 2 ? fromBob.send(ann.id, `${turn}`) : fromAnn.send(bob.id, `${turn}`)));
    }
    await fromAnn.send(cat.id, "not for Bob");
    fromAnn.close();
    fromBob.close();

    const seen = await history(kit, ann, bob.id);
    assert.deepEqual(textsOf(seen), ["0", "1", "2", "3", "4", "5"]);
    assert.deepEqual(idsOf(seen), idsOf(sent));
    assert.deepEqual(await history(kit, bob, ann.id), seen);
    assert.deepEqual(textsOf(await history(kit, cat, ann.id)), ["not for Bob"]);
    assert.deepEqual(await history(kit, cat, bob.id), []);
    seen.forEach((message, turn) => {
      const [from, to] = turn % 2 ? [bob, ann] : [ann, bob];
      assertMessage(message, { senderId: from.id, receiverId: to.id, text: `${turn}` });
    });
    const dates = seen.map((message) => message.createdAt);
    assert.deepEqual(dates, [...dates].sort());
  });

  test("an acknowledged message is in the history at once", async () => {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    const sender = await kit.sender(ann);
    for (let turn = 1; turn <= 10; turn += 1) {
      const sent = await sender.send(bob.id, `${turn}`);
      assert.equal((await history(kit, bob, ann.id)).at(-1)?._id, sent._id);
    }
    sender.close();
  });

  test("unicode, markup and long texts come back unchanged", async () => {
    const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
    const texts = [
      "héllo 👩‍👩‍👧 \u0000 \u202e end",
      "<script>alert(1)</script>",
      "line\nline\r\n\ttab",
      "x".repeat(1900),
      '{"$gt":""}',
    ];
    const sender = await kit.sender(ann);
    for (const text of texts) await sender.send(bob.id, text);
    sender.close();
    assert.deepEqual(textsOf(await history(kit, bob, ann.id)), texts);
  });

  test("a malformed or unknown id is an error with a message, or nothing", async () => {
    const ann = await newAccount(server, kit, "Ann");
    for (const id of ["undefined", "123", "zzzzzzzzzzzzzzzzzzzzzzzz", "%00", "[object%20Object]"]) {
      assertError(await call(ann, "GET", kit.path.history(id)), [400, 404]);
    }
    const nobody = await call(ann, "GET", kit.path.history("0123456789abcdef01234567"));
    if (nobody.status === 200) assert.deepEqual(kit.listIn(nobody.data), []);
    else assertError(nobody, 404);
  });

  test("without a log-in: 401", async () => {
    const ann = await newAccount(server, kit, "Ann");
    assertError(await call(newBrowser(server.entrances()), "GET", kit.path.history(ann.id)), 401);
    assertError(await call(newBrowser(server.entrances()), "GET", kit.path.users), 401);
  });

  test("the history is bounded: the newest ones, oldest first", async () => {
    const small = await startServer(kit.contract, { [SETTING.historyMax]: "5" });
    try {
      const [ann, bob] = [await newAccount(small, kit, "Ann"), await newAccount(small, kit, "Bob")];
      const sender = await kit.sender(ann);
      for (let turn = 1; turn <= 8; turn += 1) await sender.send(bob.id, `${turn}`);
      sender.close();
      assert.deepEqual(textsOf(await history(kit, bob, ann.id)), ["4", "5", "6", "7", "8"]);
    } finally {
      await small.stop();
    }
  });
}
