// Engine.IO: messages there and back, in every encoding.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { request } from "../lib/http.ts";
import { unlessSockeye } from "../lib/otherwise.ts";
import { decodeBinaryPayload, encodeBinaryPayload, type Packet } from "../lib/payload.ts";
import { openPolling } from "../lib/polling.ts";
import { type Eio, engineIoEndpoint, revisions, transports } from "../lib/target.ts";
import { openWebSocket } from "../lib/websocket.ts";
import { open, type Wire } from "../lib/wire.ts";

const texts = [
  "4hello",
  "4",
  "4€ 日本 ü",
  "4😀 outside the first plane",
  '4quotes " \\ and \n lines',
  "4:1:2",
];
const bytes = Buffer.from([0, 1, 2, 3, 4, 0x1e, 0x62, 127, 128, 254, 255]);

for (const eio of revisions) {
  for (const transport of transports) {
    describe(`messages over ${transport}, EIO ${eio}`, () => {
      for (const text of texts) {
        test(`${JSON.stringify(text)} comes back`, async (t) => {
          const wire = await open(t, engineIoEndpoint, transport, eio);
          await wire.send(text);
          assert.equal(await wire.next(), text);
        });
      }

      test("binary comes back", async (t) => {
        const wire = await open(t, engineIoEndpoint, transport, eio);
        await wire.send(bytes);
        assert.deepEqual(await wire.next(), bytes);
      });

      test("empty binary comes back", async (t) => {
        const wire = await open(t, engineIoEndpoint, transport, eio);
        await wire.send(Buffer.alloc(0), "4after");
        assert.deepEqual(await wire.next(), Buffer.alloc(0));
        assert.equal(await wire.next(), "4after");
      });

      test("text and binary come back in the order they were sent", async (t) => {
        const wire = await open(t, engineIoEndpoint, transport, eio);
        await sendsAndGetsBack(wire, ["4one", bytes, "4two", Buffer.of(4), "4three"]);
      });

      test("1000 messages in flight come back in order", async (t) => {
        const wire = await open(t, engineIoEndpoint, transport, eio);
        await sendsAndGetsBack(
          wire,
          Array.from({ length: 1000 }, (_, n) => `4message ${n}`),
        );
      });
    });
  }
}

describe("long-polling, EIO 4", () => {
  test("packets of one payload are separated by U+001E, in both directions", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 4);
    const answer = await session.post("4test1\x1e4test2\x1e4test3");
    assert.equal(answer.status, 200);
    assert.equal(answer.text, "ok");
    const polled = await session.get();
    assert.equal(polled.status, 200);
    assert.match(polled.headers["content-type"] ?? "", /^text\/plain; ?charset=utf-8$/i);
    assert.equal(polled.text, "4test1\x1e4test2\x1e4test3");
  });

  test("binary is base64 after a b, in both directions", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 4);
    assert.equal((await session.post("4hello\x1ebAQIDBA==")).status, 200);
    assert.equal((await session.get()).text, "4hello\x1ebAQIDBA==");
  });

  test("base64 may be broken into lines and end in a line break, as the Java client sends it", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 4);
    assert.equal((await session.post("bAQID\nBA==\n\x1e4after")).status, 200);
    assert.equal((await session.get()).text, "bAQIDBA==\x1e4after");
  });

  test("a character split over two chunks of the body stays whole", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 4);
    const answer = await request(session.url(), { method: "POST", body: "4€€€€", chunks: 5 });
    assert.equal(answer.status, 200);
    assert.equal((await session.get()).text, "4€€€€");
  });
});

describe("long-polling, EIO 3", () => {
  test("packets of one payload carry their length, in both directions", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 3);
    const answer = await session.post("6:4test16:4test26:4test3");
    assert.equal(answer.status, 200);
    assert.equal(answer.text, "ok");
    assert.equal((await session.get()).text, "6:4test16:4test26:4test3");
  });

  test("lengths count UTF-16 code units, as JavaScript does", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 3);
    assert.equal((await session.post("2:4€3:4😀2:4a")).status, 200);
    assert.equal((await session.get()).text, "2:4€3:4😀2:4a");
  });

  test("binary in a text payload is base64 after b4", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 3, { b64: "1" });
    assert.equal((await session.post("6:4hello10:b4AQIDBA==")).status, 200);
    assert.equal((await session.get()).text, "6:4hello10:b4AQIDBA==");
  });

  test("a binary payload is taken, and answered as one", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 3);
    const sent: Packet[] = ["4hello €", Buffer.of(1, 2, 3), "4bye"];
    const answer = await session.post(encodeBinaryPayload(sent), {
      "content-type": "application/octet-stream",
    });
    assert.equal(answer.status, 200);
    const polled = await session.get();
    assert.equal(polled.headers["content-type"], "application/octet-stream");
    assert.deepEqual(decodeBinaryPayload(polled.body), sent);
  });

  test("a text-only payload is answered as text", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 3);
    const sent = encodeBinaryPayload(["4hello"]);
    assert.equal((await session.post(sent, { "content-type": "application/octet-stream" })).status, 200);
    assert.equal((await session.get()).text, "6:4hello");
  });
});

describe("WebSocket frames", () => {
  for (const eio of revisions) {
    test(`EIO ${eio}: binary ${eio === 4 ? "is sent bare" : "follows its packet type"}`, async (t) => {
      const connection = await openWebSocket(t, engineIoEndpoint, eio);
      const frame = new Promise((resolve) =>
        connection.socket.on("message", (data: Buffer, isBinary) => isBinary && resolve([...data])),
      );
      connection.sendFrame(Buffer.from(eio === 4 ? [1, 2, 3] : [4, 1, 2, 3]));
      assert.deepEqual(await frame, eio === 4 ? [1, 2, 3] : [4, 1, 2, 3]);
    });
  }

  unlessSockeye(
    "EIO 3 with b64=1: binary is answered as base64 text",
    async (t) => {
      const connection = await openWebSocket(t, engineIoEndpoint, 3, { query: { b64: "1" } });
      connection.sendFrame("b4AQIDBA==");
      assert.equal(await connection.next(), "b4AQIDBA==");
    },
    "engineioxide takes no base64 over WebSocket and closes it; only browsers without binary need it",
    async (t) => {
      const connection = await openWebSocket(t, engineIoEndpoint, 3, { query: { b64: "1" } });
      connection.sendFrame("b4AQIDBA==");
      await connection.closed();
    },
  );
});

async function sendsAndGetsBack(wire: Wire & { eio: Eio }, packets: Packet[]): Promise<void> {
  await wire.send(...packets);
  const back: Packet[] = [];
  while (back.length < packets.length) back.push(await wire.next());
  assert.deepEqual(back, packets);
}
