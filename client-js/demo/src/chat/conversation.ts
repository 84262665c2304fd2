import type { Conversation, Draft, Message } from "./model.ts";

/** The page forgets the oldest messages above this; the server keeps them. */
export const MESSAGES_KEPT_MAX = 2000;
/** Messages that may wait for an answer (or a retry) in one conversation. */
export const OUTBOX_LEN_MAX = 50;

export const emptyConversation: Conversation = { history: "none", messages: [], outbox: [], unread: 0 };

/** A message arrived live. A repeat of a known `_id` changes nothing. */
export function received(c: Conversation, message: Message, isUnread: boolean): Conversation {
  if (c.messages.some((known) => known._id === message._id)) return c;
  return { ...c, messages: merge(c.messages, [message]), unread: c.unread + (isUnread ? 1 : 0) };
}

/**
 * The server's history, merged with what arrived while it was fetched. When an earlier state was already known,
 * `countFrom` names the sender whose new messages count as unread.
 */
export function historyLoaded(
  c: Conversation,
  history: readonly Message[],
  countFrom?: string,
): Conversation {
  const known = new Set(c.messages.map((m) => m._id));
  const missed = history.filter((m) => m.senderId === countFrom && !known.has(m._id)).length;
  return { ...c, history: "ready", messages: merge(c.messages, history), unread: c.unread + missed };
}

/** A draft becomes an entry on its way; `null` when too many are waiting already. */
export function queued(c: Conversation, clientId: string, draft: Draft): Conversation | null {
  if (c.outbox.length >= OUTBOX_LEN_MAX) return null;
  return { ...c, outbox: [...c.outbox, { clientId, status: "sending", ...draft }] };
}

/** The server has it: the entry leaves the outbox and is shown as the server stored it. */
export function sent(c: Conversation, clientId: string, message: Message): Conversation {
  const others = c.messages.filter((m) => m._id !== message._id);
  return { ...discarded(c, clientId), messages: merge(others, [{ ...message, clientId }]) };
}

export function marked(c: Conversation, clientId: string, status: "sending" | "failed"): Conversation {
  return { ...c, outbox: c.outbox.map((o) => (o.clientId === clientId ? { ...o, status } : o)) };
}

export function discarded(c: Conversation, clientId: string): Conversation {
  return { ...c, outbox: c.outbox.filter((o) => o.clientId !== clientId) };
}

/** Each `_id` once, oldest first; entries already on screen stay the same objects. */
function merge(known: readonly Message[], incoming: readonly Message[]): Message[] {
  const shown = new Map(known.map((m) => [m._id, m]));
  const all = new Map(incoming.map((m) => [m._id, shown.get(m._id) ?? m]));
  for (const m of known) all.set(m._id, m);
  // ISO-8601 in UTC sorts as text; the sort is stable, so the server's order decides between equals.
  const inOrder = [...all.values()].sort((a, b) =>
    a.createdAt < b.createdAt ? -1 : +(a.createdAt > b.createdAt),
  );
  return inOrder.slice(-MESSAGES_KEPT_MAX);
}
