/**
 * What people did and saw, and whether that keeps the promises G1-G3 and G5. Pure: no clock, no network.
 *
 * A send is known by its text, which no other send has. A device's receipts and reloads belong to a *lineage*: it begins
 * with a connection the server did not recover (the page then reads its histories anew) and goes on through every
 * connection it did recover (the page keeps what it shows).
 */

/** A message as a page sees it: its id, and the text that says which send it is. */
export interface Seen {
  readonly id: string;
  readonly text: string;
}

export interface Send {
  readonly text: string;
  readonly conversation: string;
  readonly device: string;
  readonly startedAt: number;
  /** How often it was emitted: more than once only with a `clientId`. */
  attempts: number;
  /** Ids in acknowledgements, in the order they came. */
  acks: { id: string; at: number; lineage: number }[];
  /** Codes of error acknowledgements. */
  refusals: string[];
  /** Given up without an answer. */
  unknown: boolean;
  /** Attempts that got no answer in time on a connection that stayed. */
  silences: number;
}

export interface Receipt extends Seen {
  readonly device: string;
  readonly lineage: number;
  readonly conversation: string;
  readonly at: number;
  /** It had been accepted before this connection was made. */
  readonly replayed: boolean;
}

export interface HistoryRead {
  readonly user: string;
  /** The page that reloaded; null: a look from outside. */
  readonly page: { device: string; lineage: number } | null;
  readonly conversation: string;
  readonly startedAt: number;
  readonly messages: readonly Seen[];
}

export interface Device {
  readonly name: string;
  readonly user: string;
  readonly conversations: readonly string[];
  /** What it shows now; earlier screens are gone. */
  lineage: number;
  /** Whether its screen must be complete in the end (it did not leave). */
  present: boolean;
}

export interface Verdict {
  /** Acknowledged or pushed, and missing from a history or a screen. */
  lost: string[];
  /** In a history twice, or pushed twice to one screen. */
  twice: string[];
  /** Two ends, a device and the history, or cause and effect disagree. */
  misordered: string[];
  /** A history that lacked what had been acknowledged before it was asked for (G5). */
  stale: string[];
}

export interface Counts {
  attempted: number;
  acked: number;
  retried: number;
  refused: number;
  unknown: number;
  silences: number;
  stored: number;
  live: number;
  replayed: number;
  recovered: number;
  reloaded: number;
}

export class Ledger {
  readonly sends = new Map<string, Send>();
  readonly devices = new Map<string, Device>();
  readonly receipts: Receipt[] = [];
  readonly reads: HistoryRead[] = [];
  recoveredConnections = 0;

  /** Someone who has not left with all of `conversations` on the screen. */
  addDevice(name: string, user: string, conversations: readonly string[]): Device {
    const device = { name, user, conversations, lineage: 0, present: true };
    this.devices.set(name, device);
    return device;
  }

  send(text: string, conversation: string, device: string, startedAt: number): Send {
    if (this.sends.has(text)) throw new Error(`two sends with one text: ${text}`);
    const send = {
      text,
      conversation,
      device,
      startedAt,
      attempts: 0,
      acks: [],
      refusals: [],
      unknown: false,
      silences: 0,
    };
    this.sends.set(text, send);
    return send;
  }

  acked(): Send[] {
    return [...this.sends.values()].filter((send) => send.acks.length > 0);
  }

  /** The last look at each conversation by each of its ends, from outside. */
  final(): Map<string, HistoryRead[]> {
    const latest = new Map<string, HistoryRead>();
    for (const read of this.reads) {
      if (read.page === null) latest.set(`${read.conversation} ${read.user}`, read);
    }
    return grouped(latest.values(), (read) => read.conversation);
  }

  counts(): Counts {
    const sends = [...this.sends.values()];
    const stored = new Set(
      [...this.final().values()].flat().flatMap((read) => read.messages.map((m) => m.id)),
    );
    return {
      attempted: sends.length,
      acked: this.acked().length,
      retried: sends.filter((send) => send.attempts > 1).length,
      refused: sends.reduce((sum, send) => sum + send.refusals.length, 0),
      unknown: sends.filter((send) => send.unknown).length,
      silences: sends.reduce((sum, send) => sum + send.silences, 0),
      stored: stored.size,
      live: this.receipts.filter((receipt) => !receipt.replayed).length,
      replayed: this.receipts.filter((receipt) => receipt.replayed).length,
      recovered: this.recoveredConnections,
      reloaded: this.reads.filter((read) => read.page !== null).length,
    };
  }

  judge(): Verdict {
    return {
      lost: [...lostFromHistory(this), ...lostFromScreens(this)],
      twice: [...twiceInHistory(this), ...twicePushed(this), ...twoIds(this)],
      misordered: [...endsDisagree(this), ...devicesDisagree(this), ...effectsBeforeCauses(this)],
      stale: staleReads(this),
    };
  }
}

/** Who should be announced and is not (`-`), and who is and should not be (`+`). */
export function presenceDifference(expected: Iterable<string>, announced: Iterable<string>): string[] {
  const [should, is] = [new Set(expected), new Set(announced)];
  return [
    ...[...should].filter((user) => !is.has(user)).map((user) => `-${user}`),
    ...[...is].filter((user) => !should.has(user)).map((user) => `+${user}`),
  ];
}

// --- Lost

function lostFromHistory(ledger: Ledger): string[] {
  const found: string[] = [];
  const acked = grouped(ledger.acked(), (send) => send.conversation);
  const pushed = grouped(ledger.receipts, (receipt) => receipt.conversation);
  const final = ledger.final();
  for (const conversation of new Set([...acked.keys(), ...pushed.keys()])) {
    const reads = final.get(conversation) ?? [];
    if (reads.length === 0) found.push(`no history of ${conversation} was read`);
    for (const read of reads) {
      const has = new Set(read.messages.map((message) => message.id));
      for (const send of acked.get(conversation) ?? []) {
        if (send.acks.some((ack) => !has.has(ack.id)))
          found.push(`acknowledged, not in ${read.user}'s history: ${send.text}`);
      }
      const missing = (pushed.get(conversation) ?? []).filter((receipt) => !has.has(receipt.id));
      for (const text of new Set(missing.map((receipt) => receipt.text)))
        found.push(`pushed, not in ${read.user}'s history: ${text}`);
    }
  }
  return found;
}

function lostFromScreens(ledger: Ledger): string[] {
  const found: string[] = [];
  const acked = grouped(ledger.acked(), (send) => send.conversation);
  for (const device of ledger.devices.values()) {
    if (!device.present) continue;
    const screen = screenOf(ledger, device);
    for (const conversation of device.conversations) {
      for (const send of acked.get(conversation) ?? []) {
        if (send.acks.some((ack) => !screen.has(ack.id)))
          found.push(`acknowledged, not on the screen of ${device.name}: ${send.text}`);
      }
    }
  }
  return found;
}

/** Ids on a device's screen: what it read when it loaded, what was pushed since, what it was told of its own sends. */
function screenOf(ledger: Ledger, device: Device): Set<string> {
  const ids = new Set<string>();
  for (const read of ledger.reads) {
    if (read.page?.device === device.name && read.page.lineage === device.lineage)
      for (const message of read.messages) ids.add(message.id);
  }
  for (const receipt of ledger.receipts) {
    if (receipt.device === device.name && receipt.lineage === device.lineage) ids.add(receipt.id);
  }
  for (const send of ledger.sends.values()) {
    if (send.device !== device.name) continue;
    for (const ack of send.acks) if (ack.lineage === device.lineage) ids.add(ack.id);
  }
  return ids;
}

// --- Twice

function twiceInHistory(ledger: Ledger): string[] {
  return [...ledger.final().values()].flat().flatMap((read) => {
    const where = `in ${read.user}'s history of ${read.conversation}`;
    return [
      ...repeated(read.messages.map((m) => m.id)).map((id) => `id ${id} twice ${where}`),
      ...repeated(read.messages.map((m) => m.text)).map((text) => `stored twice ${where}: ${text}`),
    ];
  });
}

function twicePushed(ledger: Ledger): string[] {
  const found: string[] = [];
  for (const [screen, receipts] of byScreen(ledger.receipts)) {
    for (const text of repeated(receipts.map((receipt) => receipt.text)))
      found.push(`pushed twice to ${screen}: ${text}`);
  }
  // The calling device's copy is its acknowledgement; a push after it would be a second one. A retry may come from
  // what the server takes for another device, so only sends that were emitted once are held to this.
  for (const receipt of ledger.receipts) {
    const send = ledger.sends.get(receipt.text);
    if (send?.attempts !== 1 || send.device !== receipt.device) continue;
    if (send.acks.some((ack) => ack.lineage === receipt.lineage && ack.at <= receipt.at))
      found.push(`pushed to ${receipt.device} after its own acknowledgement: ${receipt.text}`);
  }
  return found;
}

/** One send that became two messages, wherever that shows. */
function twoIds(ledger: Ledger): string[] {
  const ids = new Map<string, Set<string>>();
  const note = ({ id, text }: Seen) => {
    const known = ids.get(text);
    if (known) known.add(id);
    else ids.set(text, new Set([id]));
  };
  for (const receipt of ledger.receipts) note(receipt);
  for (const read of ledger.reads) for (const message of read.messages) note(message);
  for (const send of ledger.acked()) for (const ack of send.acks) note({ id: ack.id, text: send.text });
  return [...ids]
    .filter(([, known]) => known.size > 1)
    .map(([text, known]) => `one send, ids ${[...known].join(" and ")}: ${text}`);
}

// --- Order

function endsDisagree(ledger: Ledger): string[] {
  const found: string[] = [];
  for (const [conversation, [first, ...others]] of ledger.final()) {
    for (const other of others) {
      const at =
        first?.messages.findIndex((message, index) => message.id !== other.messages[index]?.id) ?? -1;
      if (at >= 0 || first?.messages.length !== other.messages.length)
        found.push(`histories of ${conversation} differ between its ends from entry ${at} on`);
    }
  }
  return found;
}

/** What one screen was pushed must be in the order of the history. */
function devicesDisagree(ledger: Ledger): string[] {
  const found: string[] = [];
  const places = placesInHistory(ledger);
  for (const [screen, receipts] of byScreen(ledger.receipts)) {
    const last = new Map<string, { place: number; text: string }>();
    for (const { conversation, id, text } of receipts) {
      const place = places.get(id);
      const before = last.get(conversation);
      if (place === undefined) continue;
      if (before && place < before.place) found.push(`${screen} got "${text}" after "${before.text}"`);
      if (!before || place > before.place) last.set(conversation, { place, text });
    }
  }
  return found;
}

/** What was sent after another message of the conversation had been acknowledged comes after it. */
function effectsBeforeCauses(ledger: Ledger): string[] {
  const found: string[] = [];
  const places = placesInHistory(ledger);
  for (const sends of grouped(ledger.acked(), (send) => send.conversation).values()) {
    const placed = sends.flatMap((send) => {
      const ack = send.acks[0];
      const place = ack && places.get(ack.id);
      return ack && place !== undefined ? [{ send, place, ackedAt: ack.at }] : [];
    });
    placed.sort((a, b) => a.place - b.place);
    // From the newest to the oldest: nothing at a later place may have been acknowledged before this one was started.
    let earliest: { at: number; text: string } | undefined;
    for (const { send, ackedAt } of placed.reverse()) {
      if (earliest && earliest.at < send.startedAt)
        found.push(`"${earliest.text}" was acknowledged before "${send.text}" was sent, and comes after it`);
      if (!earliest || ackedAt < earliest.at) earliest = { at: ackedAt, text: send.text };
    }
  }
  return found;
}

// --- Stale

function staleReads(ledger: Ledger): string[] {
  const found: string[] = [];
  const acked = grouped(ledger.acked(), (send) => send.conversation);
  for (const read of ledger.reads) {
    const has = new Set(read.messages.map((message) => message.id));
    for (const send of acked.get(read.conversation) ?? []) {
      for (const ack of send.acks) {
        if (ack.at < read.startedAt && !has.has(ack.id))
          found.push(`${read.user} read a history without what was acknowledged before: ${send.text}`);
      }
    }
  }
  return [...new Set(found)];
}

// --- Helpers

function byScreen(receipts: readonly Receipt[]): Map<string, Receipt[]> {
  return grouped(receipts, (receipt) => `${receipt.device}/${receipt.lineage}`);
}

function placesInHistory(ledger: Ledger): Map<string, number> {
  const places = new Map<string, number>();
  for (const [read] of ledger.final().values())
    for (const [index, message] of (read?.messages ?? []).entries()) places.set(message.id, index);
  return places;
}

function grouped<T>(values: Iterable<T>, key: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(key(value));
    if (group) group.push(value);
    else groups.set(key(value), [value]);
  }
  return groups;
}

function repeated(values: readonly string[]): string[] {
  const seen = new Set<string>();
  return [...new Set(values.filter((value) => seen.size === seen.add(value).size))];
}
