// Socket.IO: getting into a namespace, and out of it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { unlessSockeye } from "../lib/otherwise.ts";
import { CONNECT, CONNECT_ERROR, DISCONNECT } from "../lib/socket-packet.ts";
import { openJoined, openRaw, serverStillServes } from "../lib/socketio.ts";
import { revisions, transports } from "../lib/target.ts";

const refusal = { message: "Invalid namespace" };

for (const transport of transports) {
  describe(`connect over ${transport}, EIO 4`, () => {
    test("the main namespace answers with a socket id, and nothing else", async (t) => {
      const connection = await openRaw(t, transport, 4);
      await connection.send({ type: CONNECT, namespace: "/" });
      const { data, ...rest } = await connection.next();
      assert.deepEqual(rest, { type: CONNECT, namespace: "/" });
      assert.deepEqual(Object.keys(data as object), ["sid"]);
      await connection.event(["auth", {}]);
    });

    test("the socket id is not the session id, which is a secret", async (t) => {
      const connection = await openRaw(t, transport, 4);
      const socketId = await connection.join();
      assert.ok(socketId);
      assert.notEqual(socketId, connection.wire.handshake.sid);
    });

    test("the payload reaches the application", async (t) => {
      const connection = await openRaw(t, transport, 4);
      await connection.join("/", { token: "123", nested: { list: [1, null, true] } });
    });

    test("a custom namespace, without and with payload", async (t) => {
      await (await openRaw(t, transport, 4)).join("/custom");
      await (await openRaw(t, transport, 4)).join("/custom", { token: "abc" });
    });

    test("both namespaces at once, with an id each", async (t) => {
      const connection = await openRaw(t, transport, 4);
      const [main, custom] = [await connection.join("/"), await connection.join("/custom")];
      assert.notEqual(main, custom);
      await connection.echoes("to main");
      await connection.echoes("to custom", "/custom");
    });
  });

  describe(`connect over ${transport}, EIO 3`, () => {
    test("the main namespace is joined without asking, and answers without id", async (t) => {
      const connection = await openRaw(t, transport, 3);
      assert.deepEqual(await connection.next(), { type: CONNECT, namespace: "/" });
      await connection.event(["auth", {}]);
      await connection.echoes("hello");
    });

    test("a custom namespace", async (t) => {
      const connection = await openJoined(t, transport, 3);
      await connection.join("/custom");
      await connection.echoes("hello", "/custom");
    });

    test("a custom namespace with a query string", async (t) => {
      const connection = await openJoined(t, transport, 3);
      await connection.send({ type: CONNECT, namespace: "/custom?token=abc" });
      assert.deepEqual(await connection.next(), { type: CONNECT, namespace: "/custom" });
      // The Node server gives the query to the application as auth payload; the documents know no auth here.
      const greeting = await connection.next();
      assert.equal((greeting.data as unknown[])[0], "auth");
      await connection.echoes("hello", "/custom");
    });
  });

  for (const eio of revisions) {
    describe(`refusal and leaving over ${transport}, EIO ${eio}`, () => {
      test("an unknown namespace is refused, the connection stays", async (t) => {
        const connection = await openJoined(t, transport, eio);
        await connection.send({ type: CONNECT, namespace: "/unknown" });
        assert.deepEqual(await connection.next(), {
          type: CONNECT_ERROR,
          namespace: "/unknown",
          data: refusal,
        });
        await connection.echoes("still here");
      });

      test("a custom namespace is left, the main one stays", async (t) => {
        const connection = await openJoined(t, transport, eio);
        await connection.join("/custom");
        await connection.send({ type: DISCONNECT, namespace: "/custom" });
        await connection.echoes("still here");
      });

      test("a namespace that was left can be joined again", async (t) => {
        const connection = await openJoined(t, transport, eio);
        await connection.join("/custom");
        await connection.send({ type: DISCONNECT, namespace: "/custom" });
        // A round trip in between: the Node server takes a CONNECT that comes with the DISCONNECT for a second one.
        await connection.echoes("left");
        await connection.join("/custom");
        await connection.echoes("back", "/custom");
      });

      test("the main namespace is left, a custom one stays", async (t) => {
        const connection = await openJoined(t, transport, eio);
        await connection.join("/custom");
        await connection.send({ type: DISCONNECT, namespace: "/" });
        await connection.echoes("still here", "/custom");
      });

      test("an event for a namespace that was not joined closes the connection", async (t) => {
        const connection = await openJoined(t, transport, eio);
        await connection.emit(["message", 1], undefined, "/custom");
        await connection.wire.closed();
        await serverStillServes(t);
      });
    });
  }

  describe(`before CONNECT over ${transport}, EIO 4`, () => {
    const early = {
      "an event": '42["message",1]',
      "an event with an ack": '421["message-with-ack",1]',
      "an acknowledgement": "431[]",
      "a disconnect": "41",
      "a connect error": '44{"message":"mine to say"}',
      "an event for another namespace": '42/custom,["message",1]',
    };
    for (const [what, packet] of Object.entries(early)) {
      test(`${what} closes the connection`, async (t) => {
        const connection = await openRaw(t, transport, 4);
        await connection.wire.send(packet);
        await connection.wire.closed();
        await serverStillServes(t);
      });
    }

    test("silence closes the connection after connectTimeout", async (t) => {
      const connection = await openRaw(t, transport, 4);
      await connection.wire.closed();
    });

    test("a refused namespace does not count as connected", async (t) => {
      const connection = await openRaw(t, transport, 4);
      await connection.send({ type: CONNECT, namespace: "/unknown" });
      assert.equal((await connection.next()).type, CONNECT_ERROR);
      await connection.wire.closed();
    });

    test("a custom namespace alone does", async (t) => {
      const connection = await openRaw(t, transport, 4);
      await connection.join("/custom");
      const late = connection.next();
      // Past connectTimeout; the answer must then still come.
      await new Promise((resolve) => setTimeout(resolve, 2000));
      await connection.emit(["message", "late"], undefined, "/custom");
      assert.deepEqual((await late).data, ["message-back", "late"]);
    });
  });
}

describe("CONNECT on the wire, EIO 4", () => {
  const forms = {
    "without comma": ["40/custom", "40/custom,"],
    "with comma": ["40/custom,", "40/custom,"],
    "with an empty payload": ["40/custom,{}", "40/custom,"],
    "of the main namespace by name": ["40/,", "40"],
  };
  for (const [what, [sent = "", answered = ""]] of Object.entries(forms)) {
    test(`${what}: ${sent}`, async (t) => {
      const { wire } = await openRaw(t, "websocket", 4);
      await wire.send(sent);
      const answer = String(await wire.next());
      assert.ok(answer.startsWith(`${answered}{"sid":"`), answer);
    });
  }

  test("the refusal, byte for byte", async (t) => {
    const { wire } = await openRaw(t, "websocket", 4);
    await wire.send("40/random");
    assert.equal(await wire.next(), '44/random,{"message":"Invalid namespace"}');
  });

  test("the greeting, byte for byte", async (t) => {
    const { wire } = await openRaw(t, "websocket", 4);
    await wire.send('40/custom,{"token":"abc"}');
    assert.match(String(await wire.next()), /^40\/custom,\{"sid":"[^"]+"\}$/);
    assert.equal(await wire.next(), '42/custom,["auth",{"token":"abc"}]');
  });

  unlessSockeye(
    "a second CONNECT to the same namespace closes the connection",
    async (t) => {
      const connection = await openJoined(t, "websocket", 4);
      await connection.send({ type: CONNECT, namespace: "/" });
      await connection.wire.closed();
      await serverStillServes(t);
    },
    "socketioxide ignores it",
    async (t) => {
      const connection = await openJoined(t, "websocket", 4);
      await connection.send({ type: CONNECT, namespace: "/" });
      await connection.echoes("still here");
    },
  );

  test("a namespace with a query string is another namespace", async (t) => {
    const connection = await openRaw(t, "websocket", 4);
    await connection.send({ type: CONNECT, namespace: "/unknown?token=abc" });
    const answer = await connection.next();
    assert.equal(answer.type, CONNECT_ERROR);
    assert.deepEqual(answer.data, refusal);
  });
});

describe("CONNECT on the wire, EIO 3", () => {
  test("the main namespace, byte for byte", async (t) => {
    const { wire } = await openRaw(t, "websocket", 3);
    assert.equal(await wire.next(), "40");
    assert.equal(await wire.next(), '42["auth",{}]');
  });
});
