// Socket.IO: many events in flight on one connection are handled and acknowledged in the order sent.
import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { openPolling } from "../lib/polling.ts";
import { ACK, decode, EVENT, type SocketPacket } from "../lib/socket-packet.ts";
import { openJoined, SocketIo } from "../lib/socketio.ts";
import { type Eio, revisions, socketIoEndpoint, transports } from "../lib/target.ts";
import { dial } from "../lib/websocket.ts";

const inFlight = 200;

for (const eio of revisions) {
  for (const transport of transports) {
    describe(`order over ${transport}, EIO ${eio}`, () => {
      test(`${inFlight} events come back in order`, async (t) => {
        const connection = await openJoined(t, transport, eio);
        await connection.send(...numbered((n) => event(["message", n])));
        await arrive(
          connection,
          numbered((n) => event(["message-back", n])),
        );
      });

      test(`${inFlight} events are acknowledged in order, each once`, async (t) => {
        const connection = await openJoined(t, transport, eio);
        await connection.send(...numbered((n) => event(["message-with-ack", n], n)));
        await arrive(
          connection,
          numbered((n) => ack(n, [n])),
        );
      });

      test(`${inFlight} events and acknowledgements, text and attachments mixed, stay in order`, async (t) => {
        const connection = await openJoined(t, transport, eio);
        const args = (n: number): unknown[] => (n % 3 === 0 ? [n, Buffer.of(n & 255)] : [n]);
        const isAsked = (n: number): boolean => n % 2 === 0;
        await connection.send(
          ...numbered((n) =>
            isAsked(n) ? event(["message-with-ack", ...args(n)], n) : event(["message", ...args(n)]),
          ),
        );
        await arrive(
          connection,
          numbered((n) => (isAsked(n) ? ack(n, args(n)) : event(["message-back", ...args(n)]))),
        );
      });

      test("two namespaces on one connection each keep their order", async (t) => {
        const connection = await openJoined(t, transport, eio);
        await connection.join("/custom");
        const namespaceOf = (n: number): string => (n % 2 === 0 ? "/" : "/custom");
        await connection.send(
          ...numbered((n) => ({ ...event(["message-with-ack", n], n), namespace: namespaceOf(n) })),
        );
        const answers: SocketPacket[] = [];
        while (answers.length < inFlight) answers.push(await connection.next());
        for (const namespace of ["/", "/custom"]) {
          const ids = answers.filter((answer) => answer.namespace === namespace).map((answer) => answer.id);
          assert.deepEqual(
            ids,
            numbered((n) => n).filter((n) => namespaceOf(n) === namespace),
          );
        }
      });
    });
  }

  test(`EIO ${eio}: sent one by one without waiting, events stay in order`, async (t) => {
    const connection = await openJoined(t, "websocket", eio);
    const sending = numbered((n) => connection.emit(["message-with-ack", n], n));
    await arrive(
      connection,
      numbered((n) => ack(n, [n])),
    );
    await Promise.all(sending);
  });

  test(`EIO ${eio}: an upgrade in the middle of ${inFlight} events keeps their order`, async (t) => {
    await upgradeUnderway(t, eio);
  });

  test(`EIO ${eio}: 10 connections at once keep their order each`, async (t) => {
    const busy = async (): Promise<void> => {
      const connection = await openJoined(t, "websocket", eio);
      await connection.send(...numbered((n) => event(["message-with-ack", n], n)));
      await arrive(
        connection,
        numbered((n) => ack(n, [n])),
      );
    };
    await Promise.all(Array.from({ length: 10 }, busy));
  });
}

async function upgradeUnderway(t: TestContext, eio: Eio): Promise<void> {
  const session = await openPolling(t, socketIoEndpoint, eio);
  await new SocketIo(session).join();
  const events = numbered((n) => event(["message-with-ack", n], n));
  const half = inFlight / 2;
  await new SocketIo(session).send(...events.slice(0, half));
  const upgraded = dial(t, socketIoEndpoint, eio, { sid: session.handshake.sid });
  await upgraded.send("2probe");
  assert.equal(await upgraded.next(), "3probe");
  const byPolling = [await session.next(), ...session.received.splice(0)].filter((packet) => packet !== "6");
  await upgraded.send("5");
  const connection = new SocketIo(upgraded);
  await connection.send(...events.slice(half));
  const answers: SocketPacket[] = [];
  for (const packet of byPolling)
    answers.push(await decode(packet, () => assert.fail("no attachments here")));
  while (answers.length < inFlight) answers.push(await connection.next());
  assert.deepEqual(
    answers,
    numbered((n) => ack(n, [n])),
  );
}

async function arrive(connection: SocketIo, expected: SocketPacket[]): Promise<void> {
  const arrived: SocketPacket[] = [];
  while (arrived.length < expected.length) arrived.push(await connection.next());
  assert.deepEqual(arrived, expected);
}

function numbered<T>(make: (n: number) => T): T[] {
  return Array.from({ length: inFlight }, (_, n) => make(n));
}

function event(data: unknown[], id?: number): SocketPacket {
  return { type: EVENT, namespace: "/", data, ...(id === undefined ? {} : { id }) };
}

function ack(id: number, data: unknown[]): SocketPacket {
  return { type: ACK, namespace: "/", id, data };
}
