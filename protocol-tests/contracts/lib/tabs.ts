/** Sockets as a browser tab (or another client) opens them, and everything they were sent. */
import { after } from "node:test";
import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { eventually, must, within } from "../../lib/wait.ts";
import type { Browser } from "./browser-http.ts";

type Options = Partial<ManagerOptions & SocketOptions>;

export interface Seen {
  event: string;
  args: unknown[];
}

export interface Refusal {
  how: "connect_error" | "disconnect";
  text: string;
}

const opened: Socket[] = [];

// Registered at import, hence before the hook that stops the server: it should find no client of ours left.
after(() => {
  for (const socket of opened) socket.disconnect();
});

/** One socket, watched from its first packet on. */
export class Tab {
  readonly seen: Seen[] = [];
  /** Why it was refused or ended, oldest first. */
  readonly ends: Refusal[] = [];

  constructor(readonly socket: Socket) {
    socket.onAny((event: string, ...args: unknown[]) => this.seen.push({ event, args }));
    socket.on("connect_error", (error) => this.ends.push({ how: "connect_error", text: error.message }));
    socket.on("disconnect", (reason) => this.ends.push({ how: "disconnect", text: reason }));
  }

  /** First arguments of every `event` received so far. */
  all<T>(event: string): T[] {
    return this.seen.filter((seen) => seen.event === event).map((seen) => seen.args[0] as T);
  }

  /** The newest list of who is online. */
  get online(): string[] | undefined {
    return this.all<string[]>("getOnlineUsers").at(-1);
  }

  /** Connected, proven and counted: the first push has arrived. */
  async active(): Promise<this> {
    await eventually("the socket is active (getOnlineUsers received)", () => {
      if (this.ends.length && !this.socket.active) throw new Error(`refused: ${JSON.stringify(this.ends)}`);
      return this.socket.connected && this.online;
    });
    return this;
  }

  /** Active, and done with the upgrade: from now on a broken wire is noticed on both ends. */
  async upgraded(): Promise<this> {
    await this.active();
    await eventually("the upgrade", () => this.socket.io.engine.transport.name === "websocket");
    return this;
  }

  /** Turned away for good: the client does not try again. A few seconds of waiting for proof are allowed. */
  refused(): Promise<Refusal> {
    return eventually("the socket is refused", () => !this.socket.active && this.ends.at(-1), 30_000);
  }

  /** Emits with an acknowledgement; all arguments of the answer. */
  ask(event: string, ...args: unknown[]): Promise<unknown[]> {
    const answer = new Promise<unknown[]>((resolve) => {
      this.socket.emit(event, ...args, (...acked: unknown[]) => resolve(acked));
    });
    return within(`an acknowledgement of ${event} ${JSON.stringify(args).slice(0, 120)}`, answer);
  }

  close(): void {
    this.socket.disconnect();
  }
}

/**
 * `io(url, {query: {userId: claim}})` as a browser sends it: same-origin, every request carries the cookie;
 * cross-origin, only the WebSocket upgrade does.
 */
export function openTab(browser: Page, claim?: string, options: Options = {}): Tab {
  const query = claim === undefined ? undefined : { userId: claim };
  return new Tab(browserSocket(browser.pageUrl(), browser, query, options));
}

/** As much of a browser as its sockets need. */
export type Page = Pick<Browser, "jar" | "origin" | "deployment" | "pageUrl">;

/** The same browser, whose pages reach the server at `url`. */
export function at<B extends Page>(url: string, browser: B): B {
  return { ...browser, pageUrl: () => url };
}

export function browserSocket(
  url: string,
  { jar, origin: pageOrigin, deployment }: Omit<Page, "pageUrl">,
  query: Record<string, string> | undefined,
  options: Options = {},
): Socket {
  // The server serves the page: at this very address.
  const origin = deployment === "same-origin" ? url : pageOrigin;
  // Getters, because a reconnect sends what the jar holds by then.
  const withCookie = {
    Origin: origin,
    get Cookie() {
      return jar.header() ?? "none=";
    },
  };
  const polling = deployment === "same-origin" || options.withCredentials ? withCookie : { Origin: origin };
  return track(
    io(url, {
      forceNew: true,
      ...(query ? { query } : {}),
      transportOptions: { polling: { extraHeaders: polling }, websocket: { extraHeaders: withCookie } },
      ...options,
    }),
  );
}

/** A client that is no browser: proof and claim exactly as given. */
export function openClient(urls: readonly string[], options: Options): Tab {
  return new Tab(track(io(must(urls[0], "an address"), { forceNew: true, ...options })));
}

function track(socket: Socket): Socket {
  opened.push(socket);
  return socket;
}
