// One Engine.IO connection as a test sees it: send packets, take the next one, learn of its end.
import type { TestContext } from "node:test";
import type { Packet } from "./payload.ts";
import { openPolling } from "./polling.ts";
import type { Eio, TransportName } from "./target.ts";
import { openWebSocket } from "./websocket.ts";

export interface Wire {
  readonly eio: Eio;
  readonly handshake: Handshake;
  /** Sends the packets in this order, as one payload where the transport has payloads. */
  send(...packets: Packet[]): Promise<void>;
  /** The next packet that is not part of the heartbeat. Rejects once the connection has ended. */
  next(): Promise<Packet>;
  /** Resolves when the server has ended the connection; packets on the way are dropped. */
  closed(): Promise<void>;
}

export interface Handshake {
  sid: string;
  upgrades: string[];
  pingInterval: number;
  pingTimeout: number;
  maxPayload: number;
}

/** A connection that keeps its heartbeat, whatever the transport, and is gone when the test is. */
export function open(t: TestContext, endpoint: string, transport: TransportName, eio: Eio): Promise<Wire> {
  return transport === "polling" ? openPolling(t, endpoint, eio) : openWebSocket(t, endpoint, eio);
}

export function parseOpen(packet: Packet): Handshake {
  if (typeof packet !== "string" || packet[0] !== "0") throw new Error(`not an open packet: ${packet}`);
  return JSON.parse(packet.slice(1)) as Handshake;
}
