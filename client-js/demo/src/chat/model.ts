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
}

export interface Conversation {
  history: "none" | "loading" | "ready" | "failed";
  messages: readonly Message[];
  outbox: readonly Outgoing[];
  unread: number;
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
  openId: null,
  link: { is: "connecting" },
  notice: null,
  announcement: "",
};
