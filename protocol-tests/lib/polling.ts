import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type Answer, request } from "./http.ts";
import { decodeBinaryPayload, decodePayload, encodePayload, type Packet } from "./payload.ts";
import type { Eio } from "./target.ts";
import { type Handshake, parseOpen, type Wire } from "./wire.ts";
import { within } from "./within.ts";

/** Opens a long-polling session. Its heartbeat is kept by `next` and `closed`. */
export async function openPolling(
  t: TestContext,
  endpoint: string,
  eio: Eio,
  query: Record<string, string> = {},
): Promise<PollingSession> {
  const answer = await request(
    `${endpoint}?${new URLSearchParams({ EIO: `${eio}`, transport: "polling", ...query })}`,
  );
  assert.equal(answer.status, 200, answer.text);
  const [open, ...rest] = packetsOf(eio, answer);
  const session = new PollingSession(endpoint, eio, parseOpen(open ?? ""), query);
  session.received.push(...rest);
  t.after(() => session.abandon());
  return session;
}

export class PollingSession implements Wire {
  /** Packets that came with an earlier poll and were not asked for yet. */
  readonly received: Packet[] = [];
  private readonly gone = new AbortController();
  private posting: Promise<unknown> = Promise.resolve();
  private heart: NodeJS.Timeout | undefined;

  constructor(
    readonly endpoint: string,
    readonly eio: Eio,
    readonly handshake: Handshake,
    private readonly query: Record<string, string> = {},
  ) {}

  url(more: Record<string, string> = {}): string {
    const query = {
      EIO: `${this.eio}`,
      transport: "polling",
      sid: this.handshake.sid,
      ...this.query,
      ...more,
    };
    return `${this.endpoint}?${new URLSearchParams(query)}`;
  }

  /** One GET, as it is. */
  get(signal?: AbortSignal): Promise<Answer> {
    return request(this.url(), { signal: signal ?? this.gone.signal });
  }

  /** One POST, as it is. */
  post(body: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
    return request(this.url(), { method: "POST", body, headers, signal: this.gone.signal });
  }

  /** One GET that must succeed: the packets in it. */
  async poll(): Promise<Packet[]> {
    const answer = await this.get();
    if (answer.status !== 200) throw new SessionEnded(answer);
    return packetsOf(this.eio, answer);
  }

  /** A client has one POST under way at a time, so sends queue up behind each other. */
  send(...packets: Packet[]): Promise<void> {
    const sent = this.posting.then(async () => {
      const answer = await this.post(encodePayload(this.eio, packets), {
        "content-type": "text/plain;charset=UTF-8",
      });
      if (answer.status !== 200) throw new SessionEnded(answer);
      assert.equal(answer.text, "ok");
    });
    this.posting = sent.catch(() => undefined);
    return sent;
  }

  async next(): Promise<Packet> {
    this.beat();
    for (;;) {
      const packet = this.received.shift() ?? (await this.refill());
      if (packet === undefined) continue;
      if (packet === "1") throw new Error("the server closed the session");
      if (!(await this.isHeartbeat(packet))) return packet;
    }
  }

  async closed(): Promise<void> {
    const drain = async (): Promise<void> => {
      try {
        for (;;) await this.next();
      } catch (error) {
        // Any end counts here: the close packet, a refusal, or the connection cut under a request.
        if (this.gone.signal.aborted) throw error;
      }
    };
    await within("the server ends the polling session", drain());
    clearInterval(this.heart);
    assert.equal((await this.get()).status, 400, "a closed session is unknown");
  }

  /** As a client that vanished: whatever is under way is cut. */
  abandon(): void {
    clearInterval(this.heart);
    this.gone.abort();
  }

  private async refill(): Promise<undefined> {
    this.received.push(...(await this.poll()));
  }

  private async isHeartbeat(packet: Packet): Promise<boolean> {
    if (this.eio === 3) return packet === "3";
    if (packet !== "2") return false;
    await this.send("3");
    return true;
  }

  /** Revision 3: the client pings, so it must do so even while it waits. */
  private beat(): void {
    if (this.eio === 4 || this.heart !== undefined) return;
    const ping = (): void => {
      this.send("2").catch(() => clearInterval(this.heart));
    };
    this.heart = setInterval(ping, this.handshake.pingInterval / 2);
  }
}

/** A poll or a POST was refused: the session is no more. */
export class SessionEnded extends Error {
  constructor(readonly answer: Answer) {
    super(`session ended: ${answer.status} ${answer.text}`);
  }
}

export function packetsOf(eio: Eio, answer: Answer): Packet[] {
  const isBinary = answer.headers["content-type"] === "application/octet-stream";
  return isBinary ? decodeBinaryPayload(answer.body) : decodePayload(eio, answer.text);
}
