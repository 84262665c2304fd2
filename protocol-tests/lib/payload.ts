// Engine.IO packets and long-polling payloads, both revisions.
// https://github.com/socketio/engine.io-protocol (branches v3 and main)
import type { Eio } from "./target.ts";

/** A string is a whole text packet, type digit included; bytes are the content of a binary message. */
export type Packet = string | Buffer;

const RECORD_SEPARATOR = "\x1e";
const MESSAGE = 4;

export function encodePayload(eio: Eio, packets: readonly Packet[]): string {
  const texts = packets.map((packet) => asText(eio, packet));
  // Revision 3 counts characters the way JavaScript does: UTF-16 code units.
  return eio === 4 ? texts.join(RECORD_SEPARATOR) : texts.map((text) => `${text.length}:${text}`).join("");
}

export function decodePayload(eio: Eio, payload: string): Packet[] {
  if (eio === 4) return payload.split(RECORD_SEPARATOR).map((text) => fromText(eio, text));
  const packets: Packet[] = [];
  for (let at = 0; at < payload.length; ) {
    const colon = payload.indexOf(":", at);
    const length = Number(payload.slice(at, colon));
    if (colon < 0 || !Number.isInteger(length)) throw new Error(`not a revision 3 payload: ${payload}`);
    packets.push(fromText(eio, payload.slice(colon + 1, colon + 1 + length)));
    at = colon + 1 + length;
  }
  return packets;
}

/** Revision 3 only, with XHR2: each packet is `<0 text | 1 binary><length digits as bytes><255><packet>`. */
export function encodeBinaryPayload(packets: readonly Packet[]): Buffer {
  return Buffer.concat(
    packets.map((packet) => {
      const isText = typeof packet === "string";
      const content = isText ? Buffer.from(packet) : Buffer.concat([Buffer.of(MESSAGE), packet]);
      const digits = [...String(content.length)].map(Number);
      return Buffer.concat([Buffer.of(isText ? 0 : 1, ...digits, 255), content]);
    }),
  );
}

export function decodeBinaryPayload(payload: Buffer): Packet[] {
  const packets: Packet[] = [];
  for (let at = 0; at < payload.length; ) {
    const isText = payload[at] === 0;
    const end = payload.indexOf(255, at);
    if (end < 0) throw new Error("binary payload without end of length");
    const length = Number([...payload.subarray(at + 1, end)].join(""));
    const content = payload.subarray(end + 1, end + 1 + length);
    if (!isText && content[0] !== MESSAGE) throw new Error(`binary packet of type ${content[0]}`);
    // Text may hold base64 here too: the clients look at the packet, not at the payload around it.
    packets.push(isText ? fromText(3, content.toString("utf8")) : content.subarray(1));
    at = end + 1 + length;
  }
  return packets;
}

function asText(eio: Eio, packet: Packet): string {
  if (typeof packet === "string") return packet;
  return (eio === 4 ? "b" : `b${MESSAGE}`) + packet.toString("base64");
}

function fromText(eio: Eio, text: string): Packet {
  if (!text.startsWith("b")) return text;
  if (eio === 4) return Buffer.from(text.slice(1), "base64");
  if (text[1] !== String(MESSAGE)) throw new Error(`base64 packet of type ${text[1]}`);
  return Buffer.from(text.slice(2), "base64");
}
