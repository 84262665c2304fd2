/** A TCP wire between client and server that the test can cut, freeze and mend. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Browser } from "./browser-http.ts";

export interface Wire {
  readonly url: string;
  /** Drops every connection without a goodbye and lets none in until `mend`. */
  cut(): void;
  /** From now on it leads to where the browser's next page would go: to another gateway, when there are several. */
  mend(): void;
  /** Bytes from the server are lost from now on (until `cut`), while the server believes them sent. */
  swallow(): void;
  close(): Promise<void>;
}

export async function layWire(browser: Pick<Browser, "pageUrl">): Promise<Wire> {
  const pairs = new Set<[Socket, Socket]>();
  let port = Number(new URL(browser.pageUrl()).port);
  let down = false;
  let swallowing = false;

  const front = createServer((client) => {
    if (down) {
      client.on("error", () => {}).destroy();
      return;
    }
    const back = connect(port, "127.0.0.1");
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
      port = Number(new URL(browser.pageUrl()).port);
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
