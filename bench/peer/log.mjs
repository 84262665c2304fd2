// Messages: appended to a file, synced before the acknowledgement, kept in memory for history.
import { open } from "node:fs/promises";
import { objectId } from "./object-id.mjs";

export class MessageLog {
  #file;
  #grouped;
  #rememberedMax;
  #sync;
  #waiting = [];
  #writing = null;
  #conversations = new Map();

  /**
   * fsync: "grouped" (all that wait share one write and fdatasync), "each" (one per message) or "none".
   * rememberedMax: messages of a conversation in its history; what comes later is forgotten.
   */
  static async open(path, fsync, rememberedMax = Number.POSITIVE_INFINITY) {
    if (!["grouped", "each", "none"].includes(fsync)) throw new Error(`PEER_FSYNC=${fsync} is not known`);
    return new MessageLog(await open(path, "a"), fsync, rememberedMax);
  }

  constructor(file, fsync, rememberedMax) {
    this.#file = file;
    this.#rememberedMax = rememberedMax;
    this.#grouped = fsync !== "each";
    this.#sync = fsync !== "none";
  }

  /** Resolves with the message once it is in the file (and on the disk, unless fsync is "none"), in call order. */
  append(senderId, receiverId, text) {
    const at = new Date();
    const stamp = at.toISOString();
    const message = {
      _id: objectId(),
      senderId,
      receiverId,
      text,
      image: null,
      createdAt: stamp,
      updatedAt: stamp,
      __v: 0,
      timestamp: at.getTime(),
    };
    return new Promise((resolve, reject) => {
      this.#waiting.push({ message, resolve, reject });
      this.#writing ??= this.#drain();
    });
  }

  history(a, b) {
    return (this.#conversations.get(key(a, b)) ?? []).slice(0, this.#rememberedMax);
  }

  async close() {
    await this.#writing;
    await this.#file.close();
  }

  async #drain() {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#grouped ? this.#waiting.length : 1);
      try {
        await this.#file.appendFile(batch.map(({ message }) => `${JSON.stringify(message)}\n`).join(""));
        if (this.#sync) await this.#file.datasync();
      } catch (error) {
        for (const { reject } of batch) reject(error);
        continue;
      }
      for (const { message, resolve } of batch) {
        this.#remember(message);
        resolve(message);
      }
    }
    this.#writing = null;
  }

  #remember(message) {
    const name = key(message.senderId, message.receiverId);
    const list = this.#conversations.get(name);
    if (list) list.push(message);
    else this.#conversations.set(name, [message]);
  }
}

function key(a, b) {
  return a < b ? `${a}:${b}` : `${b}:${a}`;
}
