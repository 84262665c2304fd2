// Socket.IO packets as Engine.IO messages. https://github.com/socketio/socket.io-protocol#packet-encoding
import type { Packet } from "./payload.ts";

export const CONNECT = 0;
export const DISCONNECT = 1;
export const EVENT = 2;
export const ACK = 3;
export const CONNECT_ERROR = 4;
const BINARY_EVENT = 5;
const BINARY_ACK = 6;

export interface SocketPacket {
  /** With the binary variants folded into EVENT and ACK. */
  type: number;
  namespace: string;
  id?: number;
  data?: unknown;
}

/** The text packet and the attachments that follow it. */
export function encode(packet: SocketPacket): Packet[] {
  const attachments: Buffer[] = [];
  const data = detach(packet.data, attachments);
  const isBinary = attachments.length > 0;
  const type = isBinary ? (packet.type === EVENT ? BINARY_EVENT : BINARY_ACK) : packet.type;
  const count = isBinary ? `${attachments.length}-` : "";
  const namespace = packet.namespace === "/" ? "" : `${packet.namespace},`;
  const json = data === undefined ? "" : JSON.stringify(data);
  return [`4${type}${count}${namespace}${packet.id ?? ""}${json}`, ...attachments];
}

/** Reads one packet, asking `nextAttachment` as often as the header says. */
export async function decode(head: Packet, nextAttachment: () => Promise<Packet>): Promise<SocketPacket> {
  const fields =
    typeof head === "string" ? /^4([0-6])(?:(\d+)-)?(?:(\/[^,]*),?)?(\d+)?(.*)$/s.exec(head) : null;
  if (fields === null) throw new Error(`not a Socket.IO packet: ${head}`);
  const [, digit, count = "0", namespace = "/", id, json = ""] = fields;
  const attachments: Buffer[] = [];
  while (attachments.length < Number(count)) {
    const attachment = await nextAttachment();
    if (typeof attachment === "string") throw new Error(`text between attachments: ${attachment}`);
    attachments.push(attachment);
  }
  const wireType = Number(digit);
  const type = wireType === BINARY_EVENT ? EVENT : wireType === BINARY_ACK ? ACK : wireType;
  const packet: SocketPacket = { type, namespace };
  if (id !== undefined) packet.id = Number(id);
  if (json !== "") packet.data = attach(JSON.parse(json), attachments);
  return packet;
}

function detach(value: unknown, attachments: Buffer[]): unknown {
  if (Buffer.isBuffer(value)) return { _placeholder: true, num: attachments.push(value) - 1 };
  if (Array.isArray(value)) return value.map((item) => detach(item, attachments));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, detach(item, attachments)]));
}

function attach(value: unknown, attachments: readonly Buffer[]): unknown {
  if (Array.isArray(value)) return value.map((item) => attach(item, attachments));
  if (typeof value !== "object" || value === null) return value;
  const { _placeholder, num } = value as { _placeholder?: unknown; num?: unknown };
  if (_placeholder === true) {
    const attachment = attachments[Number(num)];
    if (attachment === undefined) throw new Error(`placeholder for missing attachment ${num}`);
    return attachment;
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, attach(item, attachments)]));
}
