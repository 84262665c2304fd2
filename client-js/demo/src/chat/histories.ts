import type { Api } from "./api.ts";
import * as conversation from "./conversation.ts";
import type { Conversation } from "./model.ts";

/** Conversations fetched ahead after log-in, for the previews in the list. */
const PREVIEWS_MAX = 10;

export interface HistoriesDeps {
  api: Api;
  /** Awaits an answer of this session and tells the user about a failure; `undefined`: failed or out of date. */
  answer<T>(request: Promise<T>): Promise<T | undefined>;
  openId(): string | null;
  read(peerId: string): Conversation;
  write(peerId: string, next: Conversation): void;
  /** Changes with every log-in and log-out. */
  session(): number;
}

/** Fetches histories and puts them into the conversations. */
export function createHistories({ api, answer, openId, read, write, session }: HistoriesDeps) {
  /** The latest messages, merged into what is there. */
  async function load(peerId: string) {
    const before = read(peerId);
    if (before.history === "loading") return;
    const wasKnown = before.history === "ready" || before.history === "stale";
    if (!wasKnown) write(peerId, { ...before, history: "loading" });
    const current = session();
    const page = await answer(api.history(peerId));
    if (current !== session()) return;
    const now = read(peerId);
    if (!page) return wasKnown ? undefined : write(peerId, { ...now, history: "failed" });
    const countFrom = wasKnown && peerId !== openId() ? peerId : undefined;
    write(peerId, conversation.historyLoaded(now, page, wasKnown ? before.messages : [], countFrom));
  }

  /** What comes before the first message on screen. */
  async function loadOlder(peerId: string) {
    const before = read(peerId);
    const first = before.messages[0]?._id;
    if (!first || before.history !== "ready" || before.older === "loading" || before.older === "none") return;
    write(peerId, { ...before, older: "loading" });
    const current = session();
    const page = await answer(api.history(peerId, first));
    if (current !== session()) return;
    const now = read(peerId);
    write(peerId, page ? conversation.olderLoaded(now, first, page) : { ...now, older: "failed" });
  }

  /** Fetches the first of these again, the open one before all, one at a time to be gentle on the server. */
  async function catchUp(peerIds: string[]) {
    const current = session();
    const open = peerIds.find((id) => id === openId());
    const others = [...new Set(peerIds)].filter((id) => id !== open).slice(0, PREVIEWS_MAX);
    for (const id of open ? [open, ...others] : others) {
      await load(id);
      if (current !== session()) return;
    }
  }

  return { load, loadOlder, catchUp };
}
