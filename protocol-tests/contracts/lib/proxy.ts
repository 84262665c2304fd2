/** A TCP wire between client and server that the test can cut, freeze and mend. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Wire {
  readonly url: string;
  /** Drops every connection without a goodbye and lets none in until `mend`. */
  cut(): void;
  mend(): void;
  /** Bytes from the server are lost from now on (until `cut`), while the server believes them sent. */
  swallow(): void;
  close(): Promise<void>;
}

export async function layWire(serverPort: number): Promise<Wire> {
  const pairs = new Set<[Socket, Socket]>();
  let down = false;
  let swallowing = false;

  const front = createServer((client) => {
    if (down) {
      client.on("error", () => {}).destroy();
      return;
    }
    const back = connect(serverPort, "127.0.0.1");
    const pair: [Socket, Socket] = [client, back];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      back.destroy();
    };
    for (const side of pair) side.on("close", end).on("error", end);
    client.on("data", (bytes) => back.write(bytes));
    back.on("data", (bytes) => {
      if (!swallowing) client.write(bytes);
    });
  });
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));

  const drop = () => {
    for (const [client, back] of pairs) {
      client.resetAndDestroy();
      back.resetAndDestroy();
    }
    pairs.clear();
  };
  return {
    url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    cut() {
      down = true;
      drop();
      swallowing = false;
    },
    mend() {
      down = false;
    },
    swallow() {
      swallowing = true;
    },
    close() {
      down = true;
      drop();
      return new Promise((resolve) => front.close(() => resolve()));
    },
  };
}
