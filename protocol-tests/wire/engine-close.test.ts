// Engine.IO: the ends of a session, and the requests that end it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Answer, request } from "../lib/http.ts";
import { encodePayload } from "../lib/payload.ts";
import { openPolling, type PollingSession } from "../lib/polling.ts";
import { engineIoEndpoint, patienceMs, revisions } from "../lib/target.ts";
import { openWebSocket } from "../lib/websocket.ts";
import { elapse } from "../lib/within.ts";

const headStartMs = 30;

for (const eio of revisions) {
  describe(`closing, EIO ${eio}`, () => {
    test("a close packet ends a polling session and lets its poll go with a noop", async (t) => {
      const session = await openPolling(t, engineIoEndpoint, eio);
      const { answered } = await pendingPoll(session);
      assert.equal((await session.post(encodePayload(eio, ["1"]))).status, 200);
      const answer = await answered;
      assert.equal(answer.status, 200);
      assert.equal(answer.text, encodePayload(eio, ["6"]));
      assert.equal((await session.get()).status, 400);
    });

    test("messages before a close packet are taken, the session is gone after it", async (t) => {
      const session = await openPolling(t, engineIoEndpoint, eio);
      assert.equal((await session.post(encodePayload(eio, ["4last words", "1"]))).status, 200);
      assert.equal((await session.get()).status, 400);
    });

    test("a close packet ends a WebSocket session", async (t) => {
      // The Node server leaves the closing to the client and ends a session that goes on without heartbeat.
      const connection = await openWebSocket(t, engineIoEndpoint, eio, { heartbeat: false });
      await connection.send("1");
      await connection.closed();
    });

    test("a closing handshake of the WebSocket is completed", async (t) => {
      const connection = await openWebSocket(t, engineIoEndpoint, eio);
      connection.socket.close(1000);
      await connection.closed();
    });

    test("a second poll ends the session: the first learns it by a close packet, the second by 400", async (t) => {
      const session = await openPolling(t, engineIoEndpoint, eio);
      const { answered } = await pendingPoll(session);
      const second = await session.get();
      // The Node server answers 400; 500 is what older ones gave.
      assert.ok([400, 500].includes(second.status), `the second poll was answered with ${second.status}`);
      const answer = await answered;
      assert.equal(answer.status, 200);
      assert.equal(answer.text, encodePayload(eio, ["1"]));
      assert.equal((await session.get()).status, 400);
    });

    test("a poll that is given up ends the session", async (t) => {
      const session = await openPolling(t, engineIoEndpoint, eio);
      const abort = new AbortController();
      const { answered } = await pendingPoll(session, abort.signal);
      abort.abort();
      await assert.rejects(answered);
      await refusedEventually(session);
    });

    test("a client that vanishes from its WebSocket harms nobody", async (t) => {
      const connection = await openWebSocket(t, engineIoEndpoint, eio);
      connection.cut();
      const next = await openWebSocket(t, engineIoEndpoint, eio);
      await next.send("4hello");
      assert.equal(await next.next(), "4hello");
    });

    test("a method that is neither GET nor POST is refused and changes nothing", async (t) => {
      const session = await openPolling(t, engineIoEndpoint, eio);
      // The Node server answers 500; the documents name no status.
      for (const method of ["PUT", "DELETE"]) {
        const { status } = await request(session.url(), { method });
        assert.ok(status >= 400, `${method} was answered with ${status}`);
      }
      await session.send("4hello");
      assert.equal(await session.next(), "4hello");
    });
  });
}

/** A poll the server holds by now: nothing on the wire tells when it has arrived, so it gets a head start. */
async function pendingPoll(
  session: PollingSession,
  signal?: AbortSignal,
): Promise<{ answered: Promise<Answer> }> {
  const answered = session.get(signal);
  answered.catch(() => undefined);
  await elapse(headStartMs);
  return { answered };
}

/** The server learns of a cut connection when it does; until then it takes messages. */
async function refusedEventually(session: PollingSession): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (Date.now() < deadline) {
    const { status } = await session.post(encodePayload(session.eio, ["4are you there"]));
    if (status === 400) return;
    assert.equal(status, 200);
    await elapse(5);
  }
  assert.fail("the session outlived its aborted poll");
}
