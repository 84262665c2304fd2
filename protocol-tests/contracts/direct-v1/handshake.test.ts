/** direct-v1.md section 6: pingInterval 5000, EIO 3 accepted too. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, test } from "node:test";
import { must, within } from "../../lib/wait.ts";
import { directV1 as kit, newAccount } from "../lib/kit.ts";
import { startServer } from "../lib/server.ts";
import { handshakeSuite, poll } from "../suites/handshake.ts";

/** As much of the untyped old client as is used here. */
interface OldSocket {
  on(event: string, handler: (value: never) => void): void;
  emit(event: string, ...args: unknown[]): void;
  close(): void;
}
const ioV2: (url: string, options: object) => OldSocket = createRequire(import.meta.url)(
  "socket.io-client-2",
);

const server = await startServer("direct-v1");
after(() => server.stop());

handshakeSuite(server, { pingInterval: 5000, pingTimeout: 20_000 });

test("EIO=3 is accepted", async () => {
  const answer = await poll(server, "EIO=3&transport=polling");
  assert.equal(answer.status, 200);
  const text = await answer.text();
  const [, length, packet] = must(/^(\d+):(0.*?)(?:\d+:40)?$/.exec(text), `an EIO 3 payload in ${text}`);
  assert.equal(Number(length), must(packet, "packet").length);
  assert.equal(JSON.parse(must(packet, "packet").slice(1)).pingInterval, 5000);
});

test("a client of Socket.IO 2 chats over EIO=3", async () => {
  const [ann, bob] = [await newAccount(server, kit, "Ann"), await newAccount(server, kit, "Bob")];
  const socket = ioV2(ann.pageUrl(), {
    forceNew: true,
    query: { userId: ann.id },
    transportOptions: {
      polling: { extraHeaders: { Cookie: ann.jar.header() } },
      websocket: { extraHeaders: { Cookie: ann.jar.header() } },
    },
  });
  try {
    await within("getOnlineUsers", new Promise((resolve) => socket.on("getOnlineUsers", resolve)));
    const heard = new Promise<{ text: string }>((resolve) => socket.on("newMessage", resolve));
    const ack = new Promise<{ status: string }>((resolve) => {
      socket.emit("sendMessage", { to: bob.id, text: "from the past", image: null }, resolve);
    });
    assert.equal((await within("the ack", ack)).status, "ok");
    const sender = await kit.sender(bob);
    await sender.send(ann.id, "welcome");
    sender.close();
    assert.equal((await within("newMessage", heard)).text, "welcome");
  } finally {
    socket.close();
  }
});
