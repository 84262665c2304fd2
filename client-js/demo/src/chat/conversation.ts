import type { Conversation, Draft, Message } from "./model.ts";

/** The page keeps this many messages of a conversation; the server keeps all, and gives them again. */
export const MESSAGES_KEPT_MAX = 1000;
/** Messages that may wait for an answer (or a retry) in one conversation. */
export const OUTBOX_LEN_MAX = 50;

export const emptyConversation: Conversation = {
  history: "none",
  older: "unknown",
  messages: [],
  newest: null,
  outbox: [],
  unread: 0,
  arrivals: 0,
};

export const latest = (c: Conversation): Message | undefined => c.newest ?? c.messages.at(-1);

/** A message arrived live: the server has put it after all others. A repeat of a known `_id` changes nothing. */
export function received(c: Conversation, message: Message, isUnread: boolean): Conversation {
  if (c.newest?._id === message._id || c.messages.some((known) => known._id === message._id)) return c;
  const counted = { ...c, unread: c.unread + (isUnread ? 1 : 0), arrivals: c.arrivals + 1 };
  return c.newest ? { ...counted, newest: message } : endingWith(counted, [...c.messages, message]);
}

/**
 * The server's latest messages: their order is the conversation's. `asOf` is what was known when they were asked for
 * (nothing if that had gaps): what came in since is newer than the page. When `countFrom` names a sender, their messages
 * that were missed count as unread.
 */
export function historyLoaded(
  c: Conversation,
  page: readonly Message[],
  asOf: readonly Message[] = [],
  countFrom?: string,
): Conversation {
  const paged = ids(page);
  const outbox = c.outbox.filter((entry) => !page.some((m) => m.clientId === entry.clientId));
  const unread = c.unread + missed(c, page, asOf, countFrom);
  const done = { ...c, history: "ready", outbox, unread } as const;
  // Who reads an older stretch stays there.
  if (c.newest) return { ...done, newest: page.at(-1) ?? c.newest };

  const shown = new Map(c.messages.map((m) => [m._id, m]));
  const before = ids(asOf);
  // Only what leads up to the page's first message is known to have no gap behind it.
  const start = c.messages.findIndex((m) => m._id === page[0]?._id);
  const earlier = c.messages
    .slice(0, Math.max(start, 0))
    .filter((m) => before.has(m._id) && !paged.has(m._id));
  const since = c.messages.filter((m) => !before.has(m._id) && !paged.has(m._id));
  const older = start >= 0 ? c.older : page.length ? "unknown" : "none";
  return endingWith({ ...done, older }, [...earlier, ...page.map((m) => shown.get(m._id) ?? m), ...since]);
}

/** What comes before the message `first`, which was the first when it was asked for. Beyond the bound the newest go. */
export function olderLoaded(c: Conversation, first: string, page: readonly Message[]): Conversation {
  if (c.messages[0]?._id !== first) return { ...c, older: "unknown" };
  const known = ids(c.messages);
  const added = page.filter((m) => !known.has(m._id));
  if (!added.length) return { ...c, older: "none" };
  const messages = [...added, ...c.messages];
  const newest = messages.length > MESSAGES_KEPT_MAX ? (latest(c) ?? null) : c.newest;
  return { ...c, older: "unknown", messages: messages.slice(0, MESSAGES_KEPT_MAX), newest };
}

/** Back from an older stretch: the newest message alone, until the ones before it are fetched again. */
export function backAtEnd(c: Conversation): Conversation {
  return c.newest ? { ...c, history: "stale", older: "unknown", messages: [c.newest], newest: null } : c;
}

/** Messages may have been missed. */
export function wentStale(c: Conversation): Conversation {
  return c.history === "ready" ? { ...c, history: "stale" } : c;
}

/** A draft becomes an entry on its way; `null` when too many are waiting already. */
export function queued(c: Conversation, clientId: string, draft: Draft): Conversation | null {
  if (c.outbox.length >= OUTBOX_LEN_MAX) return null;
  return { ...c, outbox: [...c.outbox, { clientId, status: "sending", arrivals: c.arrivals, ...draft }] };
}

/** The server has it: the entry leaves the outbox and is shown as the server stored it. */
export function sent(c: Conversation, clientId: string, message: Message): Conversation {
  const rest = discarded(c, clientId);
  const mine = { ...message, clientId };
  if (c.newest) return { ...rest, newest: mine };
  const isKnown = c.messages.some((m) => m._id === message._id);
  if (isKnown) return { ...rest, messages: c.messages.map((m) => (m._id === message._id ? mine : m)) };
  return endingWith(rest, [...c.messages, mine]);
}

export function marked(c: Conversation, clientId: string, status: "sending" | "failed"): Conversation {
  return { ...c, outbox: c.outbox.map((o) => (o.clientId === clientId ? { ...o, status } : o)) };
}

export function discarded(c: Conversation, clientId: string): Conversation {
  return { ...c, outbox: c.outbox.filter((o) => o.clientId !== clientId) };
}

const ids = (messages: readonly Message[]) => new Set(messages.map((m) => m._id));

/** The conversation with these messages. Beyond the bound the oldest go; they can be had again. */
function endingWith(c: Conversation, messages: readonly Message[]): Conversation {
  if (messages.length <= MESSAGES_KEPT_MAX) return { ...c, messages };
  return {
    ...c,
    messages: messages.slice(-MESSAGES_KEPT_MAX),
    older: c.older === "none" ? "unknown" : c.older,
  };
}

/** How many messages of `sender` in the page are news: unknown here, and after the first that was known. */
function missed(
  c: Conversation,
  page: readonly Message[],
  asOf: readonly Message[],
  sender: string | undefined,
): number {
  if (!sender) return 0;
  const known = ids(c.messages);
  const start = Math.max(
    page.findIndex((m) => m._id === asOf[0]?._id),
    0,
  );
  return page.slice(start).filter((m) => m.senderId === sender && !known.has(m._id)).length;
}
