/** The link passes bytes, holds them while silent, resets while cut, and goes on when healed. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { freePort } from "./free-port.ts";
import { Link } from "./link.ts";
import { eventually } from "./wait.ts";

/** A server that sends everything back, a link to it, and a way to reach it. */
async function scene(t: TestContext) {
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const far = { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
  const nowhere = { host: "127.0.0.1", port: await freePort() };
  const link = await Link.listen(() => [nowhere, far]);
  const sockets: Socket[] = [];
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await link.close();
    server.close();
  });
  const open = () => {
    const heard = { text: "", ended: "" };
    const socket = connect(link.port, "127.0.0.1");
    sockets.push(socket);
    socket.on("error", (error: NodeJS.ErrnoException) => {
      heard.ended = error.code ?? "error";
    });
    socket.setEncoding("utf8").on("data", (text: string) => {
      heard.text += text;
    });
    return { socket, heard };
  };
  return { link, open };
}

test("bytes pass, by the first address that answers", async (t) => {
  const { open } = await scene(t);
  const { socket, heard } = open();
  socket.write("hello");
  await eventually("the echo", () => heard.text === "hello");
  socket.end();
  await once(socket, "close");
});

test("silent: nothing passes and nobody is told; healed: everything arrives, new connections too", async (t) => {
  const { link, open } = await scene(t);
  const old = open();
  old.socket.write("a");
  await eventually("the echo", () => old.heard.text === "a");
  link.silence();
  old.socket.write("b");
  const young = open();
  young.socket.write("c");
  await once(young.socket, "connect");
  // A connection that is not silenced overtakes: by the time its echo is here, theirs would have been.
  const other = await scene(t);
  const control = other.open();
  control.socket.write("d");
  await eventually("the control's echo", () => control.heard.text === "d");
  assert.deepEqual(
    [old.heard, young.heard],
    [
      { text: "a", ended: "" },
      { text: "", ended: "" },
    ],
  );
  link.heal();
  await eventually("what was held", () => old.heard.text === "ab" && young.heard.text === "c");
});

test("cut: reset at once, refused until healed", async (t) => {
  const { link, open } = await scene(t);
  const old = open();
  old.socket.write("a");
  await eventually("the echo", () => old.heard.text === "a");
  link.cut();
  await eventually("the reset", () => old.heard.ended === "ECONNRESET");
  const refused = open();
  await eventually("the refusal", () => refused.heard.ended === "ECONNRESET");
  link.heal();
  const young = open();
  young.socket.write("b");
  await eventually("the echo", () => young.heard.text === "b");
});
