// Socket.IO: events and acknowledgements, in both directions, with and without attachments.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ACK, EVENT } from "../lib/socket-packet.ts";
import { openJoined, type SocketIo } from "../lib/socketio.ts";
import { revisions, transports } from "../lib/target.ts";

const values: Record<string, unknown[]> = {
  "no argument": [],
  null: [null],
  "true and false": [true, false],
  numbers: [0, -1, 42, 1.5, -0.001, 1e21, 9007199254740991, -9007199254740991],
  "an empty string": [""],
  "text of all planes": ['ü € 日本 😀 \u0000 \u001e \u2028 " \\ / \n\t'],
  "an empty object and an empty array": [{}, []],
  "a nested object": [{ a: { b: [{ c: null }, [1, [2, [3]]]] }, "key with 😀": 1, "": "" }],
  "an array that is itself one argument": [[1, 2, 3]],
  "many arguments": Array.from({ length: 50 }, (_, n) => n),
  "what looks like a packet": ['42["message",1]', "/custom,", "451-", "b64"],
  "a deep value": [nested(64)],
  "100 kB": ["x".repeat(100_000)],
};

const one = Buffer.from([1, 2, 3]);
const two = Buffer.from([0, 30, 255]);
const binaries: Record<string, unknown[]> = {
  "one attachment": [one],
  "two attachments": [one, two],
  "an empty attachment": [Buffer.alloc(0), "text"],
  "attachments within text arguments": ["before", one, { between: true }, two, "after"],
  "attachments deep in values": [{ file: { parts: [one, [two, { last: one }]] }, name: "a.png" }],
  "ten attachments": Array.from({ length: 10 }, (_, n) => Buffer.of(n)),
  "a 200 kB attachment": [Buffer.alloc(200_000, 5)],
};

for (const eio of revisions) {
  for (const transport of transports) {
    describe(`events over ${transport}, EIO ${eio}`, () => {
      for (const [what, args] of Object.entries({ ...values, ...binaries })) {
        test(`${what}: sent back`, async (t) => {
          const connection = await openJoined(t, transport, eio);
          await connection.emit(["message", ...args]);
          await connection.event(["message-back", ...args]);
        });

        test(`${what}: acknowledged`, async (t) => {
          const connection = await openJoined(t, transport, eio);
          await connection.emit(["message-with-ack", ...args], 7);
          await connection.ack(7, args);
        });
      }

      test("the server asks for an acknowledgement and gets one", async (t) => {
        const connection = await openJoined(t, transport, eio);
        await connection.emit(["emit-with-ack", 1, "2", { "3": [true] }]);
        await answer(connection, [1, "2", { "3": [true] }], ["answer", { ok: true }]);
      });

      test("the server asks for an acknowledgement of attachments and gets some", async (t) => {
        const connection = await openJoined(t, transport, eio);
        await connection.emit(["emit-with-ack", one, { two }]);
        await answer(connection, [one, { two }], [{ answer: two }, one]);
      });

      test("the server asks for an acknowledgement and gets an empty one", async (t) => {
        const connection = await openJoined(t, transport, eio);
        await connection.emit(["emit-with-ack", "anything"]);
        await answer(connection, ["anything"], []);
      });

      test("events, acknowledgements and attachments in a custom namespace", async (t) => {
        const connection = await openJoined(t, transport, eio);
        await connection.join("/custom");
        await connection.emit(["message", one, "text"], undefined, "/custom");
        await connection.event(["message-back", one, "text"], "/custom");
        await connection.emit(["message-with-ack", one, "text"], 12, "/custom");
        await connection.ack(12, [one, "text"], "/custom");
        await connection.emit(["emit-with-ack", one], undefined, "/custom");
        await answer(connection, [one], [two], "/custom");
      });
    });
  }
}

describe("events on the wire", () => {
  const exchanges: Record<string, [string, string]> = {
    "an event": ['42["message",1,"2",{"3":[true]}]', '42["message-back",1,"2",{"3":[true]}]'],
    "an event with spaces in its JSON": ['42[ "message" , 1 ]', '42["message-back",1]'],
    "an event with escapes in its arguments": ['42["message","\\u20ac"]', '42["message-back","€"]'],
    "the main namespace by name": ['42/,["message",1]', '42["message-back",1]'],
    "an acknowledgement": ['42456["message-with-ack",1,"2",{"3":[false]}]', '43456[1,"2",{"3":[false]}]'],
    "an acknowledgement of nothing": ['420["message-with-ack"]', "430[]"],
    "an acknowledgement id beyond 32 bits": ['424294967296["message-with-ack",1]', "434294967296[1]"],
    "an acknowledgement id as large as JavaScript counts": [
      '429007199254740991["message-with-ack",1]',
      "439007199254740991[1]",
    ],
  };
  for (const [what, [sent, expected]] of Object.entries(exchanges)) {
    test(what, async (t) => {
      const { wire } = await openJoined(t, "websocket", 4);
      await wire.send(sent);
      assert.equal(await wire.next(), expected);
    });
  }

  test("an event with escapes in its name", async (t) => {
    const { wire } = await openJoined(t, "websocket", 4);
    await wire.send('42["mess\\u0061ge",1]');
    assert.equal(await wire.next(), '42["message-back",1]');
  });

  test("two attachments", async (t) => {
    const { wire } = await openJoined(t, "websocket", 4);
    const placeholders = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
    await wire.send(`452-["message",${placeholders}]`, one, two);
    assert.equal(await wire.next(), `452-["message-back",${placeholders}]`);
    assert.deepEqual(await wire.next(), one);
    assert.deepEqual(await wire.next(), two);
  });

  test("two attachments, acknowledged", async (t) => {
    const { wire } = await openJoined(t, "websocket", 4);
    const placeholders = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
    await wire.send(`452-789["message-with-ack",${placeholders}]`, one, two);
    assert.equal(await wire.next(), `462-789[${placeholders}]`);
    assert.deepEqual(await wire.next(), one);
    assert.deepEqual(await wire.next(), two);
  });

  test("attachments named in another order than they come, and one named twice", async (t) => {
    const connection = await openJoined(t, "websocket", 4);
    const placeholder = (num: number): string => `{"_placeholder":true,"num":${num}}`;
    await connection.wire.send(
      `452-["message",${placeholder(1)},${placeholder(0)},${placeholder(1)}]`,
      one,
      two,
    );
    await connection.event(["message-back", two, one, two]);
  });

  test("attachments over polling follow in base64", async (t) => {
    const { wire } = await openJoined(t, "polling", 4);
    await wire.send('451-["message",{"_placeholder":true,"num":0}]', one);
    assert.equal(await wire.next(), '451-["message-back",{"_placeholder":true,"num":0}]');
    assert.deepEqual(await wire.next(), one);
  });

  test("an event nobody listens to is ignored", async (t) => {
    const connection = await openJoined(t, "websocket", 4);
    await connection.emit(["nobody-listens", 1]);
    await connection.echoes("still here");
  });

  test("acknowledgements nobody asked for, or asked for once, are ignored", async (t) => {
    const connection = await openJoined(t, "websocket", 4);
    await connection.send({ type: ACK, namespace: "/", id: 999_999, data: [] });
    await connection.emit(["emit-with-ack", 1]);
    const { id = -1 } = await connection.next();
    for (const attempt of ["first", "second"]) {
      await connection.send({ type: ACK, namespace: "/", id, data: [attempt] });
    }
    await connection.event(["emit-with-ack-back", "first"]);
    await connection.echoes("still here");
  });

  test("acknowledgement ids used twice are both answered", async (t) => {
    const connection = await openJoined(t, "websocket", 4);
    await connection.emit(["message-with-ack", "a"], 1);
    await connection.emit(["message-with-ack", "b"], 1);
    await connection.ack(1, ["a"]);
    await connection.ack(1, ["b"]);
  });
});

/** Takes the event the server wants acknowledged, acknowledges it, sees the answer arrive. */
async function answer(
  connection: SocketIo,
  asked: unknown[],
  args: unknown[],
  namespace = "/",
): Promise<void> {
  const { id, ...event } = await connection.next();
  assert.deepEqual(event, { type: EVENT, namespace, data: ["emit-with-ack", ...asked] });
  assert.equal(typeof id, "number");
  await connection.send({ type: ACK, namespace, id: id ?? -1, data: args });
  await connection.event(["emit-with-ack-back", ...args], namespace);
}

function nested(depth: number): unknown {
  return depth === 0 ? "bottom" : depth % 2 === 0 ? [nested(depth - 1)] : { down: nested(depth - 1) };
}
