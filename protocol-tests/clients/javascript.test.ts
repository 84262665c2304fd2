// socket.io-client of every major version that is still in use, unmodified, from npm.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, type TestContext, test } from "node:test";
import type { Socket } from "socket.io-client";
import { relayTo } from "../lib/proxy.ts";
import { expected, socketIoOrigin } from "../lib/target.ts";
import { elapse, within } from "../lib/within.ts";
import { type Behaviour, behaviours, type Mode, modes, nameOf, transportsOf } from "./behaviours.ts";

type Connect = (url: string, options: object) => Socket;
const require = createRequire(import.meta.url);

const versions = ["socket.io-client-2", "socket.io-client-3", "socket.io-client-4.1.2", "socket.io-client"];

const json = [
  null,
  true,
  false,
  0,
  -1.5,
  9007199254740991,
  "",
  "ü € 😀",
  [],
  {},
  { a: [{ b: [1, [null]] }] },
];
const first = Buffer.from([0, 1, 2, 254, 255]);
const second = Buffer.alloc(3000, 7);

for (const name of versions) {
  const connect = require(name) as Connect;
  const { version } = require(`${name}/package.json`) as { version: string };
  describe(`socket.io-client ${version}`, () => {
    const run = suite(connect, version);
    for (const mode of modes) {
      for (const behaviour of behaviours) {
        const isMissing = behaviour === "hands over an auth payload" && version.startsWith("2.");
        const options = isMissing ? { skip: "socket.io-client 2 has no auth option" } : {};
        test(nameOf(mode, behaviour), options, (t) => run[behaviour](t, mode));
      }
    }
  });
}

function suite(
  connect: Connect,
  version: string,
): Record<Behaviour, (t: TestContext, mode: Mode) => Promise<void>> {
  const open = (t: TestContext, mode: Mode, url = socketIoOrigin, more: object = {}): Socket => {
    const transports = transportsOf[mode];
    const socket = connect(url, {
      transports,
      forceNew: true,
      reconnectionDelay: 20,
      timeout: 8000,
      ...more,
    });
    t.after(() => {
      socket.disconnect();
      // A refused socket leaves the connection of its manager open, which keeps the process alive.
      const manager = socket.io as unknown as {
        reconnection(on: boolean): void;
        close?(): void;
        _close?(): void;
      };
      manager.reconnection(false);
      (manager.close ?? manager._close)?.call(manager);
    });
    return socket;
  };
  const opened = async (t: TestContext, mode: Mode, url?: string, more?: object): Promise<Socket> => {
    const socket = open(t, mode, url, more);
    await connected(socket);
    return socket;
  };

  return {
    "connects by this transport": async (t, mode) => {
      const socket = await opened(t, mode);
      assert.equal(typeof socket.id, "string");
      await settled(socket, mode);
    },

    "gets back arguments of every JSON type": async (t, mode) => {
      const socket = await opened(t, mode);
      socket.emit("message", ...json);
      assert.deepEqual(await received(socket, "message-back"), json);
    },

    "gets back binary": async (t, mode) => {
      const socket = await opened(t, mode);
      socket.emit("message", first, { file: second, list: [first] });
      const back = await received(socket, "message-back");
      assert.deepEqual(back, [first, { file: second, list: [first] }]);
    },

    "gets acknowledgements with arguments of every JSON type": async (t, mode) => {
      const socket = await opened(t, mode);
      assert.deepEqual(await acknowledged(socket, "message-with-ack", ...json), json);
    },

    "gets acknowledgements with binary": async (t, mode) => {
      const socket = await opened(t, mode);
      const args = [first, { file: second }];
      assert.deepEqual(await acknowledged(socket, "message-with-ack", ...args), args);
    },

    "acknowledges what the server asks for": async (t, mode) => {
      const socket = await opened(t, mode);
      socket.on("emit-with-ack", (a, b, ack) => ack("answer", { a, b }));
      socket.emit("emit-with-ack", 1, [2]);
      assert.deepEqual(await received(socket, "emit-with-ack-back"), ["answer", { a: 1, b: [2] }]);
    },

    "acknowledges with binary": async (t, mode) => {
      const socket = await opened(t, mode);
      socket.on("emit-with-ack", (bytes, ack) => ack(second, { bytes }));
      socket.emit("emit-with-ack", first);
      assert.deepEqual(await received(socket, "emit-with-ack-back"), [second, { bytes: first }]);
    },

    "gets 200 acknowledgements and 200 events in the order it sent": async (t, mode) => {
      // From the first moment on, so that an upgrade happens in the middle of it.
      const socket = await opened(t, mode);
      const numbers = Array.from({ length: 200 }, (_, n) => n);
      const events: number[] = [];
      const acks: number[] = [];
      const all = new Promise<void>((resolve) => {
        const check = (): void => {
          if (events.length >= 200 && acks.length >= 200) resolve();
        };
        socket.on("message-back", (n: number) => {
          events.push(n);
          check();
        });
        for (const n of numbers) {
          socket.emit("message", n);
          socket.emit("message-with-ack", n, (back: number) => {
            acks.push(back);
            check();
          });
        }
      });
      await within("200 events and 200 acknowledgements", all);
      assert.deepEqual(events, numbers);
      assert.deepEqual(acks, numbers);
      await settled(socket, mode);
    },

    "sends and receives 500 kB at once": async (t, mode) => {
      const socket = await opened(t, mode);
      const text = "x".repeat(500_000);
      assert.deepEqual(await acknowledged(socket, "message-with-ack", text), [text]);
    },

    "joins a custom namespace beside the main one": async (t, mode) => {
      const main = await opened(t, mode);
      const custom = main.io.socket("/custom", {}) as unknown as Socket;
      t.after(() => custom.disconnect());
      await connected(custom);
      custom.emit("message", "custom");
      assert.deepEqual(await received(custom, "message-back"), ["custom"]);
      main.emit("message", "main");
      assert.deepEqual(await received(main, "message-back"), ["main"]);
    },

    "is refused an unknown namespace": async (t, mode) => {
      const socket = open(t, mode, `${socketIoOrigin}/unknown`);
      // Version 2 tells by an event of its own, the others by connect_error.
      const [error] = await received(socket, version.startsWith("2.") ? "error" : "connect_error");
      assert.equal((error as { message: string }).message, "Invalid namespace");
      assert.equal(socket.connected, false);
    },

    "hands over an auth payload": async (t, mode) => {
      const auth = { token: "abc", roles: ["a", { b: null }] };
      const socket = open(t, mode, undefined, { auth });
      assert.deepEqual(await received(socket, "auth"), [auth]);
    },

    "stays connected through several heartbeats": async (t, mode) => {
      const socket = await opened(t, mode);
      const reasons: unknown[] = [];
      socket.on("disconnect", (reason) => reasons.push(reason));
      await elapse(3 * (expected.pingIntervalMs + expected.pingTimeoutMs));
      assert.deepEqual(await acknowledged(socket, "message-with-ack", "alive"), ["alive"]);
      assert.deepEqual(reasons, []);
    },

    "leaves and comes back": async (t, mode) => {
      const socket = await opened(t, mode);
      // A client that leaves while it upgrades leaves its probe behind, until the server gives it up.
      await settled(socket, mode);
      const before = socket.id;
      socket.disconnect();
      assert.equal(socket.connected, false);
      socket.connect();
      await connected(socket);
      assert.notEqual(socket.id, before);
      assert.deepEqual(await acknowledged(socket, "message-with-ack", "back"), ["back"]);
      await settled(socket, mode);
    },

    "reconnects after its connection was cut": async (t, mode) => {
      const relay = await relayTo(t, socketIoOrigin);
      const socket = await opened(t, mode, relay.origin);
      await settled(socket, mode);
      const before = socket.id;
      const lost = received(socket, "disconnect");
      relay.cut();
      await lost;
      relay.restore();
      await connected(socket);
      assert.notEqual(socket.id, before);
      assert.deepEqual(await acknowledged(socket, "message-with-ack", "again"), ["again"]);
      socket.disconnect();
    },
  };
}

async function connected(socket: Socket): Promise<void> {
  await received(socket, "connect");
}

function received(socket: Socket, event: string): Promise<unknown[]> {
  const arrival = new Promise<unknown[]>((resolve) =>
    socket.once(event, (...args: unknown[]) => resolve(args)),
  );
  return within(event, arrival);
}

function acknowledged(socket: Socket, event: string, ...args: unknown[]): Promise<unknown[]> {
  const answer = new Promise<unknown[]>((resolve) => {
    socket.emit(event, ...args, (...back: unknown[]) => resolve(back));
  });
  return within(`acknowledgement of ${event}`, answer);
}

/** The transport is the one asked for, after the upgrade if there is one. */
async function settled(socket: Socket, mode: Mode): Promise<void> {
  const engine = socket.io.engine;
  const wanted = mode === "polling" ? "polling" : "websocket";
  if (mode === "upgrade" && engine.transport.name !== wanted) {
    await within("the upgrade", new Promise<void>((resolve) => engine.once("upgrade", () => resolve())));
  }
  assert.equal(engine.transport.name, wanted);
}
