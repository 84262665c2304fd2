/** A TCP link whose far end the harness chooses, and which it can silence, cut and heal. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where a new connection goes: tried in this order until one answers. */
export type Route = () => readonly Address[];

interface Pair {
  readonly near: Socket;
  far: Socket | null;
  /** Both halves are there; before that, what the near end says waits. */
  carrying: boolean;
}

export class Link {
  private readonly pairs = new Set<Pair>();
  private state: "open" | "silent" | "cut" = "open";

  private constructor(
    private readonly server: Server,
    private readonly route: Route,
  ) {
    server.on("connection", (near) => this.accept(near));
  }

  /** `port` 0: any free one. */
  static async listen(route: Route, port = 0): Promise<Link> {
    // A half that is closed stays half closed: what the other end still says arrives.
    const link = new Link(createServer({ allowHalfOpen: true, noDelay: true }), route);
    await new Promise<void>((resolve, reject) => {
      link.server.once("error", reject).listen(port, "127.0.0.1", resolve);
    });
    return link;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /**
   * As when a cable is pulled: no byte passes, nobody is told. What is sent meanwhile arrives after `heal`, as TCP's
   * retransmissions would; new connections get no answer until then.
   */
  silence(): void {
    this.state = "silent";
    for (const { near, far } of this.pairs) {
      near.pause();
      far?.pause();
    }
  }

  /** Resets every connection, and every new one, until `heal`. */
  cut(): void {
    this.state = "cut";
    for (const pair of this.pairs) this.drop(pair);
  }

  heal(): void {
    this.state = "open";
    for (const pair of this.pairs) {
      if (pair.far === null) this.dial(pair);
      if (!pair.carrying) continue;
      pair.near.resume();
      pair.far?.resume();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private accept(near: Socket): void {
    const pair: Pair = { near, far: null, carrying: false };
    near.on("error", () => this.drop(pair));
    if (this.state === "cut") {
      near.resetAndDestroy();
      return;
    }
    this.pairs.add(pair);
    near.on("close", () => this.drop(pair));
    near.pause();
    if (this.state === "open") this.dial(pair);
  }

  private dial(pair: Pair, candidates = [...this.route()]): void {
    const next = candidates.shift();
    if (!next) {
      this.drop(pair);
      return;
    }
    const far = connect({ ...next, allowHalfOpen: true, noDelay: true });
    pair.far = far;
    const retry = () => this.dial(pair, candidates);
    far.once("error", retry);
    far.once("connect", () => {
      far.off("error", retry);
      if (pair.near.destroyed) {
        far.destroy();
        return;
      }
      far.on("error", () => this.drop(pair));
      far.on("close", () => this.drop(pair));
      pair.carrying = true;
      carry(pair.near, far);
      carry(far, pair.near);
      if (this.state === "silent") {
        pair.near.pause();
        far.pause();
      }
    });
  }

  private drop(pair: Pair): void {
    if (!this.pairs.delete(pair)) return;
    // What is still to be written to the near end is written: a server's last words count.
    if (this.state === "cut") {
      pair.near.resetAndDestroy();
      pair.far?.resetAndDestroy();
    } else {
      pair.near.destroySoon();
      pair.far?.destroySoon();
    }
  }
}

/** Like `pipe`, which cannot be used: it resumes a source that `silence` has paused. */
function carry(from: Socket, to: Socket): void {
  from.on("data", (bytes) => {
    to.write(bytes);
  });
  from.on("end", () => to.end());
  from.resume();
}
