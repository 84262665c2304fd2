// A TCP relay in front of the server, for cutting a client's connections at will.
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

export interface Relay {
  /** Origin through which the server is reached. */
  origin: string;
  /** An outage: resets every connection there is and every new one, until `restore`. */
  cut(): void;
  restore(): void;
}

export async function relayTo(t: TestContext, target: string): Promise<Relay> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((client) => {
    if (isCut) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = (): void => {
    isCut = true;
    for (const socket of sockets) socket.resetAndDestroy();
  };
  t.after(() => {
    cut();
    server.close();
  });
  const restore = (): void => {
    isCut = false;
  };
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut, restore };
}
