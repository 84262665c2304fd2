/** A person, as contract `direct` answers it (sign-up and log-in leave out some fields). */
export interface User {
  _id: string;
  fullName: string;
  email: string;
  profilePic: string;
}

/** A stored message; `createdAt` is ISO-8601. */
export interface Message {
  _id: string;
  senderId: string;
  receiverId: string;
  text?: string;
  image?: string;
  createdAt: string;
  /** Set on what this page sent: it keeps the entry on screen the same while it turns from sending to sent. */
  clientId?: string;
}

/** What the composer hands over; `image` is a data URL. */
export interface Draft {
  text: string;
  image: string | null;
}

/** A message on its way, shown before the server has it. A retry keeps its `clientId`. */
export interface Outgoing extends Draft {
  clientId: string;
  status: "sending" | "failed";
  /** `Conversation.arrivals` when it was written. */
  arrivals: number;
}

export interface Conversation {
  /** `stale`: there may be newer messages that were missed. */
  history: "none" | "loading" | "ready" | "stale" | "failed";
  /** What comes before the first of `messages`; `unknown`: it has not been asked for. */
  older: "unknown" | "loading" | "failed" | "none";
  /** One stretch without gaps, in the server's order. Never sorted by `createdAt`: servers' clocks differ. */
  messages: readonly Message[];
  /** The newest message, while `messages` is an older stretch that does not reach it; else null. */
  newest: Message | null;
  outbox: readonly Outgoing[];
  unread: number;
  /** Messages that came in live so far. */
  arrivals: number;
}

/** `caughtUp` says how what was missed came back: replayed by the server, or fetched again. */
export type LinkState =
  | { is: "connecting" | "reconnecting" | "offline" }
  | { is: "online"; caughtUp?: "recovered" | "refreshed" };

export interface ChatState {
  phase: "checking" | "unreachable" | "signed-out" | "signed-in";
  me: User | null;
  people: readonly User[];
  online: ReadonlySet<string>;
  conversations: Readonly<Record<string, Conversation>>;
  /** People with whom something was said, latest first; null until the server has told it. */
  recent: readonly string[] | null;
  /** The person whose conversation is on screen. */
  openId: string | null;
  link: LinkState;
  /** One sentence for the user; null when there is nothing to say. */
  notice: string | null;
  /** The newest received message in words, for screen readers. */
  announcement: string;
}

export const signedOut: ChatState = {
  phase: "signed-out",
  me: null,
  people: [],
  online: new Set(),
  conversations: {},
  recent: null,
  openId: null,
  link: { is: "connecting" },
  notice: null,
  announcement: "",
};
