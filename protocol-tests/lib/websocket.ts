import type { TestContext } from "node:test";
import WebSocket from "ws";
import type { Packet } from "./payload.ts";
import type { Eio } from "./target.ts";
import { type Handshake, parseOpen, type Wire } from "./wire.ts";
import { deferred, within } from "./within.ts";

export interface WebSocketOptions {
  /** Goes on with this session instead of opening a new one: the upgrade. */
  sid?: string;
  query?: Record<string, string>;
  /** False leaves pings unanswered (or, in revision 3, unsent) and shows them to `next`. */
  heartbeat?: boolean;
}

/** Opens a session over WebSocket. */
export async function openWebSocket(
  t: TestContext,
  endpoint: string,
  eio: Eio,
  options: WebSocketOptions = {},
): Promise<WebSocketConnection> {
  const connection = dial(t, endpoint, eio, options);
  connection.handshake = parseOpen(await connection.next());
  return connection;
}

/** A WebSocket to the endpoint, before anything is known about it. */
export function dial(
  t: TestContext,
  endpoint: string,
  eio: Eio,
  options: WebSocketOptions = {},
): WebSocketConnection {
  const query = new URLSearchParams({ EIO: `${eio}`, transport: "websocket", ...options.query });
  if (options.sid !== undefined) query.set("sid", options.sid);
  const connection = new WebSocketConnection(
    `${endpoint.replace(/^http/, "ws")}?${query}`,
    eio,
    options.heartbeat ?? true,
  );
  t.after(() => connection.cut());
  return connection;
}

export class WebSocketConnection implements Wire {
  handshake: Handshake = { sid: "", upgrades: [], pingInterval: 0, pingTimeout: 0, maxPayload: 0 };
  readonly socket: WebSocket;
  private readonly received: Packet[] = [];
  private readonly ended = deferred<Error>();
  private readonly opening: Promise<void>;
  private endedWith: Error | undefined;
  private wake = deferred<void>();
  private heart: NodeJS.Timeout | undefined;

  constructor(
    url: string,
    readonly eio: Eio,
    private readonly heartbeat: boolean,
  ) {
    this.socket = new WebSocket(url, { perMessageDeflate: false });
    this.opening = new Promise((resolve) => this.socket.once("open", () => resolve()));
    this.socket.once("open", () => this.beat());
    this.socket.on("message", (data: Buffer, isBinary) => this.receive(data, isBinary));
    this.socket.on("error", (error) => this.end(error));
    this.socket.on("close", (code) => this.end(new Error(`the server closed the WebSocket with ${code}`)));
  }

  /** Resolves once the HTTP upgrade was accepted, rejects when it is refused. */
  opened(): Promise<void> {
    const refused = this.ended.promise.then((error) => Promise.reject(error));
    return within("the WebSocket opens", Promise.race([this.opening, refused]));
  }

  async send(...packets: Packet[]): Promise<void> {
    await this.opened();
    for (const packet of packets) {
      const isText = typeof packet === "string";
      // Revision 3 puts the packet type before binary content, revision 4 leaves it out.
      this.sendFrame(isText || this.eio === 4 ? packet : Buffer.concat([Buffer.of(4), packet]));
    }
  }

  /** Bytes or text as they are. */
  sendFrame(frame: string | Buffer): void {
    this.socket.send(frame);
  }

  next(): Promise<Packet> {
    return within("the next packet", this.take());
  }

  closed(): Promise<void> {
    return within(
      "the server closes the WebSocket",
      this.ended.promise.then(() => undefined),
    );
  }

  get isOpen(): boolean {
    return this.endedWith === undefined && this.socket.readyState === WebSocket.OPEN;
  }

  /** Ends the TCP connection without a word. */
  cut(): void {
    clearInterval(this.heart);
    this.socket.terminate();
  }

  private async take(): Promise<Packet> {
    for (;;) {
      const packet = this.received.shift();
      if (packet !== undefined) return packet;
      if (this.endedWith !== undefined) throw this.endedWith;
      await this.wake.promise;
    }
  }

  private receive(data: Buffer, isBinary: boolean): void {
    const packet = isBinary ? this.content(data) : data.toString("utf8");
    if (packet === undefined) {
      this.end(new Error(`binary frame of packet type ${data[0]}`));
      return;
    }
    if (this.heartbeat && packet === (this.eio === 4 ? "2" : "3")) {
      if (this.eio === 4) this.socket.send("3");
      return;
    }
    this.received.push(packet);
    this.rouse();
  }

  private content(frame: Buffer): Buffer | undefined {
    if (this.eio === 4) return frame;
    return frame[0] === 4 ? frame.subarray(1) : undefined;
  }

  private beat(): void {
    if (!this.heartbeat || this.eio === 4) return;
    this.heart = setInterval(() => {
      if (this.socket.readyState === WebSocket.OPEN) this.socket.send("2");
    }, 150);
  }

  private end(reason: Error): void {
    if (this.endedWith !== undefined) return;
    clearInterval(this.heart);
    this.endedWith = reason;
    this.ended.resolve(reason);
    this.rouse();
  }

  private rouse(): void {
    const waiting = this.wake;
    this.wake = deferred<void>();
    waiting.resolve();
  }
}
