// Socket.IO: packets that break the rules close the connection that sent them, and only that one.
import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { unlessSockeye } from "../lib/otherwise.ts";
import type { Packet } from "../lib/payload.ts";
import { openJoined, openRaw, type SocketIo, serverStillServes } from "../lib/socketio.ts";
import { revisions, transports } from "../lib/target.ts";
import type { WebSocketConnection } from "../lib/websocket.ts";

const placeholder = (num: unknown): string => `{"_placeholder":true,"num":${JSON.stringify(num)}}`;
const bytes = Buffer.of(1, 2, 3);

const malformed: Record<string, Packet[]> = {
  "an empty packet": ["4"],
  "letters for a type": ["4abc"],
  "an unknown type": ["47"],
  "an event with broken JSON": ['42["message",'],
  "an event with text after its JSON": ['42["message"]more'],
  "an event whose payload is an object": ["42{}"],
  "an event whose payload is a string": ['42"message"'],
  "an event without a name": ["42[]"],
  "an event named null": ["42[null]"],
  "an event named by an object": ['42[{"message":1}]'],
  "an event named by an array": ['42[["message"]]'],
  "an acknowledgement id in letters": ['42abc["message-with-ack",1,"2",{"3":[false]}]'],
  "a negative acknowledgement id": ['42-1["message-with-ack"]'],
  "a fractional acknowledgement id": ['421.5["message-with-ack"]'],
  "an acknowledgement whose payload is an object": ["431{}"],
  "an acknowledgement with broken JSON": ["431["],
  "a disconnect with a payload": ["41{}"],
  "a connect error, which only servers send": ['44{"message":"no"}'],
  "a binary event without a count": ['45["message"]'],
  "a binary event with a count in letters": [`45x-["message",${placeholder(0)}]`],
  "a binary event with a negative count": [`45-1-["message",${placeholder(0)}]`],
  "a binary event with no attachment": ['450-["message"]'],
  "a binary event with a count nobody can keep": [`451000000000-["message",${placeholder(0)}]`],
  "a binary event without payload name": [`451-[]`, bytes],
  "a placeholder beyond the attachments": [`451-["message",${placeholder(1)}]`, bytes],
  "a placeholder below the attachments": [`451-["message",${placeholder(-1)}]`, bytes],
  "a placeholder that is no number": [`451-["message",${placeholder("0")}]`, bytes],
  "text where an attachment is due": [`451-["message",${placeholder(0)}]`, '42["message",1]'],
  "an attachment nobody announced": [bytes],
  "one attachment too many": [`451-["message",${placeholder(0)}]`, bytes, bytes],
};

/** What socketioxide is lenient about, and what it makes of it. */
const lenient: Record<string, [reason: string, instead: (connection: SocketIo) => Promise<void>]> = {
  "an acknowledgement whose payload is an object": [
    "it is ignored",
    (connection) => connection.echoes("still here"),
  ],
  "an acknowledgement with broken JSON": ["it is ignored", (connection) => connection.echoes("still here")],
  "a disconnect with a payload": ["it is a disconnect", async (connection) => void (await connection.join())],
  "a binary event with no attachment": ["it is an event", (connection) => connection.event(["message-back"])],
};

// The names the documents reserve, for what a library itself has to say.
for (const name of [
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]) {
  malformed[`an event with the reserved name ${name}`] = [`42["${name}",1]`];
}

for (const transport of transports) {
  describe(`malformed packets over ${transport}, EIO 4`, () => {
    for (const [what, packets] of Object.entries(malformed)) {
      const closes = async (t: TestContext): Promise<void> => {
        const connection = await openJoined(t, transport, 4);
        // The session may end before the answer to the request that ended it is written.
        await connection.wire.send(...packets).catch(() => undefined);
        await connection.wire.closed();
        await serverStillServes(t);
      };
      const name = `${what} closes the connection`;
      const [reason, instead] = lenient[what] ?? [];
      if (reason !== undefined && instead !== undefined) {
        unlessSockeye(name, closes, reason, async (t) => {
          const connection = await openJoined(t, transport, 4);
          await connection.wire.send(...packets);
          await instead(connection);
        });
      } else test(name, closes);
    }
  });
}

describe("malformed packets, EIO 3", () => {
  for (const what of [
    "an unknown type",
    "an event whose payload is an object",
    "an attachment nobody announced",
  ]) {
    test(`${what} closes the connection`, async (t) => {
      const connection = await openJoined(t, "websocket", 3);
      await connection.wire.send(...(malformed[what] ?? []));
      await connection.wire.closed();
      await serverStillServes(t);
    });
  }
});

describe("malformed CONNECT, EIO 4", () => {
  for (const packet of ["40abc", '40"token"', "40[]", "40null", '40{"token":', "40/custom,[1]"]) {
    test(`${packet} closes the connection`, async (t) => {
      const { wire } = await openRaw(t, "websocket", 4);
      await wire.send(packet);
      await wire.closed();
      await serverStillServes(t);
    });
  }
});

describe("odd packets that need not close the connection", () => {
  // The documents want the connection closed; the Node server ignores them. Either way nothing else suffers.
  const odd = {
    "an event without payload": "42",
    "an acknowledgement without payload": "431",
    "an acknowledgement without id": "43[]",
  };
  for (const [what, packet] of Object.entries(odd)) {
    for (const eio of revisions) {
      test(`${what}, EIO ${eio}: closed or ignored`, async (t) => {
        const connection = await openJoined(t, "websocket", eio);
        await connection.wire.send(packet);
        await Promise.race([connection.echoes("ignored").catch(() => undefined), connection.wire.closed()]);
        await serverStillServes(t);
      });
    }
  }
});

describe("hostile packets", () => {
  // Not to an event that is sent back: the Node server's own encoder overflows on it and the process ends.
  test("an event nested 100,000 deep is ignored or closes the connection", async (t) => {
    const connection = await openJoined(t, "websocket", 4);
    const depth = 100_000;
    await connection.wire.send(`42["nobody-listens",${"[".repeat(depth)}${"]".repeat(depth)}]`);
    await Promise.race([connection.echoes("ignored").catch(() => undefined), connection.wire.closed()]);
    await serverStillServes(t);
  });

  test("names of a language's innards are names like others", async (t) => {
    const connection = await openJoined(t, "websocket", 4);
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      await connection.emit([name, { __proto__: null, constructor: 1 }]);
    }
    await connection.wire.send('42["message",{"__proto__":{"polluted":true}}]');
    assert.ok(Array.isArray((await connection.next()).data));
    await connection.echoes("still here");
  });

  test("1000 acknowledgements nobody asked for are ignored", async (t) => {
    const connection = await openJoined(t, "websocket", 4);
    for (let id = 0; id < 1000; id++) connection.wire.send(`43${id}[]`);
    await connection.echoes("still here");
  });

  test("half a binary event, then the connection cut, harms nobody", async (t) => {
    const connection = await openJoined(t, "websocket", 4);
    await connection.wire.send(`452-["message",${placeholder(0)},${placeholder(1)}]`, bytes);
    (connection.wire as WebSocketConnection).cut();
    await serverStillServes(t);
  });
});
