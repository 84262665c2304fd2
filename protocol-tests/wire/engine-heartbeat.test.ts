// Engine.IO: who pings, and what becomes of those who do not answer.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openPolling } from "../lib/polling.ts";
import { engineIoEndpoint, expected, transports } from "../lib/target.ts";
import { openWebSocket } from "../lib/websocket.ts";
import { open } from "../lib/wire.ts";
import { elapse } from "../lib/within.ts";

const cycles = 4;

describe("heartbeat, EIO 4: the server pings", () => {
  test("over long-polling", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 4);
    for (let cycle = 0; cycle < cycles; cycle++) {
      assert.deepEqual(await session.poll(), ["2"]);
      assert.equal((await session.post("3")).status, 200);
    }
  });

  test("over WebSocket", async (t) => {
    const connection = await openWebSocket(t, engineIoEndpoint, 4, { heartbeat: false });
    for (let cycle = 0; cycle < cycles; cycle++) {
      assert.equal(await connection.next(), "2");
      await connection.send("3");
    }
    await connection.send("4alive");
    assert.equal(await connection.next(), "4alive");
  });

  test("a polling session that does not answer is closed: its poll ends, its id is unknown", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 4);
    assert.deepEqual(await session.poll(), ["2"]);
    const last = await session.get();
    assert.ok(last.status === 400 || last.text === "1", `the poll ended with ${last.status} ${last.text}`);
    assert.equal((await session.get()).status, 400);
  });

  test("a polling session nobody polls is closed", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 4);
    // Twice the time it takes: asking earlier would be the sign of life this test must not give.
    await elapse(2 * (expected.pingIntervalMs + expected.pingTimeoutMs));
    assert.equal((await session.post("3")).status, 400);
    assert.equal((await session.get()).status, 400);
  });

  test("a WebSocket that does not answer is closed", async (t) => {
    const connection = await openWebSocket(t, engineIoEndpoint, 4, { heartbeat: false });
    assert.equal(await connection.next(), "2");
    await connection.closed();
  });

  test("messages do not replace the answer to a ping", async (t) => {
    const connection = await openWebSocket(t, engineIoEndpoint, 4, { heartbeat: false });
    const chatter = setInterval(() => connection.isOpen && connection.sendFrame("4chatter"), 50);
    t.after(() => clearInterval(chatter));
    await connection.closed();
  });
});

describe("heartbeat, EIO 3: the client pings", () => {
  test("over long-polling", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 3);
    for (let cycle = 0; cycle < cycles; cycle++) {
      assert.equal((await session.post("1:2")).status, 200);
      assert.equal((await session.get()).text, "1:3");
    }
  });

  test("over WebSocket", async (t) => {
    const connection = await openWebSocket(t, engineIoEndpoint, 3, { heartbeat: false });
    for (let cycle = 0; cycle < cycles; cycle++) {
      await connection.send("2");
      assert.equal(await connection.next(), "3");
    }
  });

  test("a polling session without pings is closed", async (t) => {
    const session = await openPolling(t, engineIoEndpoint, 3);
    const last = await session.get();
    assert.ok(last.status === 400 || last.text === "1:1", `the poll ended with ${last.status} ${last.text}`);
    assert.equal((await session.post("1:2")).status, 400);
  });

  test("a WebSocket without pings is closed", async (t) => {
    const connection = await openWebSocket(t, engineIoEndpoint, 3, { heartbeat: false });
    await connection.closed();
  });
});

for (const transport of transports) {
  for (const eio of [3, 4] as const) {
    test(`a ${transport} session of EIO ${eio} with a heartbeat outlives its time-outs`, async (t) => {
      const wire = await open(t, engineIoEndpoint, transport, eio);
      const listening = wire.next();
      await elapse(4 * (expected.pingIntervalMs + expected.pingTimeoutMs));
      await wire.send("4still here");
      assert.equal(await listening, "4still here");
    });
  }
}
