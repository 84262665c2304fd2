// Engine.IO: what is too much, and what makes no sense. The connection may end; the server may not.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { request } from "../lib/http.ts";
import { unlessSockeye } from "../lib/otherwise.ts";
import { encodePayload } from "../lib/payload.ts";
import { openPolling, type PollingSession } from "../lib/polling.ts";
import { engineIoEndpoint, expected, revisions } from "../lib/target.ts";
import { openWebSocket } from "../lib/websocket.ts";
import { within } from "../lib/within.ts";

for (const eio of revisions) {
  describe(`limits, EIO ${eio}`, () => {
    // Revision 4 adds the packet type, revision 3 its length in digits and a colon besides.
    const payloadOf = (size: number): string => {
      const packetLength = eio === 4 ? size : size - (size < 1_000_008 ? 7 : 8);
      return encodePayload(eio, [`4${"x".repeat(packetLength - 1)}`]);
    };

    test("a payload of exactly maxPayload bytes is taken", async (t) => {
      const session = await openPolling(t, engineIoEndpoint, eio);
      const payload = payloadOf(expected.maxPayloadBytes);
      assert.equal(payload.length, expected.maxPayloadBytes);
      assert.equal((await session.post(payload)).status, 200);
      assert.equal((await session.get()).text, payload);
    });

    test("a larger payload is refused with 413", async (t) => {
      const session = await openPolling(t, engineIoEndpoint, eio);
      await isTooLarge(session, payloadOf(expected.maxPayloadBytes + 1));
      await serverStillServes(t);
    });

    test("a larger payload of unknown length is refused with 413", async (t) => {
      const session = await openPolling(t, engineIoEndpoint, eio);
      await isTooLarge(session, payloadOf(2 * expected.maxPayloadBytes), 8);
      await serverStillServes(t);
    });

    test("the limit counts bytes, not characters", async (t) => {
      const session = await openPolling(t, engineIoEndpoint, eio);
      await isTooLarge(session, encodePayload(eio, [`4${"€".repeat(400_000)}`]));
      await serverStillServes(t);
    });

    test("a frame of exactly maxPayload bytes is taken, text and binary", async (t) => {
      const connection = await openWebSocket(t, engineIoEndpoint, eio);
      const text = `4${"x".repeat(expected.maxPayloadBytes - 1)}`;
      await connection.send(text);
      assert.equal(await connection.next(), text);
      const binary = Buffer.alloc(expected.maxPayloadBytes - (eio === 3 ? 1 : 0), 7);
      await connection.send(binary);
      assert.deepEqual(await connection.next(), binary);
    });

    test("a larger frame closes the WebSocket, text and binary", async (t) => {
      for (const frame of [
        `4${"x".repeat(expected.maxPayloadBytes)}`,
        Buffer.alloc(expected.maxPayloadBytes + 1, 4),
      ]) {
        const connection = await openWebSocket(t, engineIoEndpoint, eio);
        connection.sendFrame(frame);
        await connection.closed();
      }
      await serverStillServes(t);
    });

    test("a message in fragments larger than maxPayload closes the WebSocket", async (t) => {
      const connection = await openWebSocket(t, engineIoEndpoint, eio);
      const fragment = "x".repeat(300_000);
      connection.socket.send(`4${fragment}`, { fin: false });
      for (let n = 0; n < 4; n++) connection.socket.send(fragment, { fin: n === 3 });
      await connection.closed();
      await serverStillServes(t);
    });
  });

  describe(`garbage, EIO ${eio}`, () => {
    const malformed =
      eio === 4
        ? ["abc", "9nine", "\x1e", "4fine\x1eabc"]
        : ["abc", "4hello", "6:4hi", "3:4hi3", "-1:4", "x:4hi", "2:9x"];
    for (const body of malformed) {
      test(`the payload ${JSON.stringify(body)} ends the session`, async (t) => {
        const session = await openPolling(t, engineIoEndpoint, eio);
        await isRejected(session, body);
        assert.equal((await session.get()).status, 400);
        await serverStillServes(t);
      });
    }

    for (const frame of ["abc", "9nine", "", "\u0000"]) {
      test(`the frame ${JSON.stringify(frame)} closes the WebSocket`, async (t) => {
        const connection = await openWebSocket(t, engineIoEndpoint, eio);
        connection.sendFrame(frame);
        await connection.closed();
        await serverStillServes(t);
      });
    }

    const wrongHeartbeat = eio === 4 ? "2" : "3";
    unlessSockeye(
      "the other side's heartbeat packet closes the connection",
      async (t) => {
        const connection = await openWebSocket(t, engineIoEndpoint, eio);
        connection.sendFrame(wrongHeartbeat);
        await connection.closed();
        await serverStillServes(t);
      },
      "engineioxide ignores it",
      async (t) => {
        const connection = await openWebSocket(t, engineIoEndpoint, eio);
        connection.sendFrame(wrongHeartbeat);
        await connection.send("4still here");
        assert.equal(await connection.next(), "4still here");
      },
    );

    test("text that is not UTF-8 closes the WebSocket", async (t) => {
      const connection = await openWebSocket(t, engineIoEndpoint, eio);
      connection.socket.send(Buffer.from([0x34, 0xff, 0xfe, 0xfd]), { binary: false });
      await connection.closed();
      await serverStillServes(t);
    });

    test("a body cut off in the middle harms nobody", async (t) => {
      const session = await openPolling(t, engineIoEndpoint, eio);
      const url = new URL(session.url());
      const socket = connect(Number(url.port), url.hostname);
      socket.on("error", () => undefined);
      const head = `POST ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Length: 100\r\n\r\n4half`;
      await new Promise<void>((resolve) => socket.write(head, () => resolve()));
      socket.destroy();
      await serverStillServes(t);
    });
  });
}

describe("garbage, EIO 4", () => {
  test("a body declared binary is refused", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 4);
    const headers = { "content-type": "application/octet-stream" };
    await isRejected(session, Buffer.from([0, 255, 1, 2, 3]), headers);
    assert.equal((await session.get()).status, 400);
    await serverStillServes(t);
  });
});

describe("garbage, EIO 3", () => {
  const broken = {
    "without an end of its length": [0, 1, 2, 3],
    "longer than it is": [0, 9, 9, 255, 0x34, 0x61],
  };
  for (const [what, content] of Object.entries(broken)) {
    test(`a binary payload ${what} harms nobody`, async (t) => {
      const session = await openPolling(t, engineIoEndpoint, 3);
      await session
        .post(Buffer.from(content), { "content-type": "application/octet-stream" })
        .catch(() => undefined);
      await serverStillServes(t);
    });
  }
});

test("bytes that are not HTTP harm nobody", async (t) => {
  const url = new URL(engineIoEndpoint);
  const socket = connect(Number(url.port), url.hostname);
  socket.on("error", () => undefined);
  socket.resume();
  socket.write("\x16\x03\x01 this is no request\r\n\r\n");
  await within("the connection is closed", new Promise((resolve) => socket.once("close", resolve)));
  await serverStillServes(t);
});

/** 413; or the connection cut while the client still writes, which then hides the answer from it. */
async function isTooLarge(session: PollingSession, body: string, chunks?: number): Promise<void> {
  try {
    const answer = await request(session.url(), {
      method: "POST",
      body,
      ...(chunks === undefined ? {} : { chunks }),
    });
    assert.equal(answer.status, 413);
  } catch (error) {
    assert.match(String((error as NodeJS.ErrnoException).code), /^(ECONNRESET|EPIPE)$/);
  }
}

/**
 * The documents say nothing of the answer. The Node server may say "ok" before it has looked at the
 * packets, or cut the connection of the request that broke its session; a refusal is kinder.
 */
async function isRejected(session: PollingSession, body: string | Buffer, headers?: Record<string, string>) {
  try {
    const answer = await session.post(body, headers);
    assert.ok([200, 400].includes(answer.status), `answered with ${answer.status}`);
  } catch (error) {
    assert.match(String((error as NodeJS.ErrnoException).code), /^(ECONNRESET|EPIPE)$/);
  }
}

async function serverStillServes(t: TestContext): Promise<void> {
  const connection = await openWebSocket(t, engineIoEndpoint, 4);
  await connection.send("4still here");
  assert.equal(await connection.next(), "4still here");
}
