// A Socket.IO conversation over any Engine.IO connection, one packet at a time.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { ACK, CONNECT, decode, EVENT, encode, type SocketPacket } from "./socket-packet.ts";
import { type Eio, socketIoEndpoint, type TransportName } from "./target.ts";
import { open, type Wire } from "./wire.ts";

export class SocketIo {
  constructor(readonly wire: Wire) {}

  send(...packets: SocketPacket[]): Promise<void> {
    return this.wire.send(...packets.flatMap(encode));
  }

  /** Emits one event, asking for an acknowledgement if `id` is given. */
  emit(args: unknown[], id?: number, namespace = "/"): Promise<void> {
    return this.send({ type: EVENT, namespace, data: args, ...(id === undefined ? {} : { id }) });
  }

  next(): Promise<SocketPacket> {
    return decodeNext(this.wire);
  }

  /** The next packet must be this event. */
  async event(args: unknown[], namespace = "/"): Promise<void> {
    assert.deepEqual(await this.next(), { type: EVENT, namespace, data: args });
  }

  /** The next packet must be this acknowledgement. */
  async ack(id: number, args: unknown[], namespace = "/"): Promise<void> {
    assert.deepEqual(await this.next(), { type: ACK, namespace, id, data: args });
  }

  /** Connects to a namespace and takes the application's greeting; the socket id (none in revision 3). */
  async join(namespace = "/", auth?: object): Promise<string | undefined> {
    const isImplicit = this.wire.eio === 3 && namespace === "/";
    if (!isImplicit)
      await this.send({ type: CONNECT, namespace, ...(auth === undefined ? {} : { data: auth }) });
    const answer = await this.next();
    assert.equal(answer.type, CONNECT, `refused: ${JSON.stringify(answer)}`);
    assert.equal(answer.namespace, namespace);
    await this.event(["auth", auth ?? {}], namespace);
    return (answer.data as { sid: string } | undefined)?.sid;
  }

  /** What a connection is for: it still answers. */
  async echoes(text: string, namespace = "/"): Promise<void> {
    await this.emit(["message", text], undefined, namespace);
    await this.event(["message-back", text], namespace);
  }
}

/** An Engine.IO session at the Socket.IO endpoint; nothing of Socket.IO has happened on it. */
export async function openRaw(t: TestContext, transport: TransportName, eio: Eio): Promise<SocketIo> {
  return new SocketIo(await open(t, socketIoEndpoint, transport, eio));
}

/** The same, connected to the main namespace. */
export async function openJoined(t: TestContext, transport: TransportName, eio: Eio): Promise<SocketIo> {
  const connection = await openRaw(t, transport, eio);
  await connection.join();
  return connection;
}

/** The server is alive and takes newcomers. */
export async function serverStillServes(t: TestContext): Promise<void> {
  const connection = await openJoined(t, "websocket", 4);
  await connection.echoes("still here");
}

function decodeNext(wire: Wire): Promise<SocketPacket> {
  return wire.next().then((head) => decode(head, () => wire.next()));
}
