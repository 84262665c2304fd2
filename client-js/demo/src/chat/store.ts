import { type Api, ApiError } from "./api.ts";
import * as conversation from "./conversation.ts";
import { createHistories } from "./histories.ts";
import type { Link, LinkEvents } from "./link.ts";
import {
  type ChatState,
  type Conversation,
  type Draft,
  type Message,
  signedOut,
  type User,
} from "./model.ts";
import { recentLoaded, touched } from "./recent.ts";

const RECONNECT_AFTER_MS = 1_000;
const RECONNECT_AFTER_MS_MAX = 30_000;
/** A message that the log has before one's own may come in later than the answer to that: no later than this. */
const SETTLED_AFTER_MS = 2_000;

export interface ChatDeps {
  api: Api;
  openLink: (userId: string, on: LinkEvents) => Link;
  /** Runs `work` once, `afterMs` milliseconds from now. */
  later: (work: () => void, afterMs: number) => void;
  newClientId: () => string;
}

export type ChatStore = ReturnType<typeof createChatStore>;

/** Everything the chat knows and can do, without a framework: a snapshot, a subscription, and verbs. */
export function createChatStore({ api, openLink, later, newClientId }: ChatDeps) {
  let state: ChatState = { ...signedOut, phase: "checking" };
  let link: Link | null = null;
  let reconnectAfterMs = RECONNECT_AFTER_MS;
  /** Changes with every log-in and log-out: an answer that belongs to an earlier session is dropped. */
  let session = 0;
  const listeners = new Set<() => void>();
  /** The last send of each conversation; the next one waits for it, so that they arrive in order. */
  const lastSend = new Map<string, Promise<void>>();
  /** Those with whom something was said since `recent` was last asked for. */
  let touchedSince = new Set<string>();

  function set(patch: Partial<ChatState>) {
    state = { ...state, ...patch };
    for (const listener of listeners) listener();
  }

  const conversationWith = (peerId: string): Conversation =>
    state.conversations[peerId] ?? conversation.emptyConversation;

  function setConversation(peerId: string, next: Conversation) {
    set({ conversations: { ...state.conversations, [peerId]: next } });
  }

  const histories = createHistories({
    api,
    answer,
    openId: () => state.openId,
    read: conversationWith,
    write: setConversation,
    session: () => session,
  });

  function begin(me: User) {
    end();
    set({ ...signedOut, phase: "signed-in", me, openId: state.openId });
    const current = session;
    const own = (react: () => void) => current === session && react();
    link = openLink(me._id, {
      up: (recovered) => own(() => cameUp(recovered)),
      down: () => own(() => state.link.is !== "offline" && set({ link: { is: "reconnecting" } })),
      refused: () => own(refused),
      onlineUsers: (ids) => own(() => rosterChanged(ids)),
      message: (message) => own(() => messageArrived(message, me)),
    });
    void loadPeople().then(() => histories.catchUp(conversationsByNews()));
  }

  function end(notice: string | null = null) {
    session++;
    link?.close();
    link = null;
    reconnectAfterMs = RECONNECT_AFTER_MS;
    lastSend.clear();
    set({ ...signedOut, openId: state.openId, notice });
  }

  /** Awaits an answer of this session; tells the user about a failure. `undefined`: failed or out of date. */
  async function answer<T>(request: Promise<T>): Promise<T | undefined> {
    const current = session;
    try {
      const value = await request;
      return current === session ? value : undefined;
    } catch (error) {
      if (current === session) failed(error);
      return undefined;
    }
  }

  function failed(error: unknown) {
    if (!(error instanceof ApiError)) throw error;
    if (error.isSignedOut && state.phase === "signed-in") end("Your session has ended. Please log in again.");
    // While the link is down, its state on screen says it already.
    else if (error.status !== 0 || !link || state.link.is === "online") set({ notice: error.message });
  }

  /** Who does the cookie say we are? At start, when the window gets the focus, and when the link was refused. */
  async function checkSession() {
    const current = session;
    try {
      const user = await api.check();
      if (current !== session) return;
      // Another tab may have logged in as somebody else: the cookie decides.
      if (user._id !== state.me?._id) begin(user);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (current !== session) return;
      const isOut = error.isSignedOut || error.status === 404;
      if (state.phase === "signed-in") {
        if (isOut) end("Your session has ended. Please log in again.");
      } else if (state.phase !== "signed-out") set({ phase: isOut ? "signed-out" : "unreachable" });
    }
  }

  function cameUp(recovered: boolean) {
    reconnectAfterMs = RECONNECT_AFTER_MS;
    const isFirst = state.link.is === "connecting";
    if (isFirst) return set({ link: { is: "online" } });
    if (recovered) return set({ link: { is: "online", caughtUp: "recovered" } });
    set({ link: { is: "online" } });
    for (const [id, c] of Object.entries(state.conversations)) setConversation(id, conversation.wentStale(c));
    const current = session;
    const before = state.recent;
    void loadPeople()
      .then(() => {
        // Nothing had been said with them: all they wrote was missed.
        const newcomers = before ? state.recent?.filter((id) => !before.includes(id)) : [];
        for (const id of newcomers ?? []) {
          const c = conversationWith(id);
          if (c.history === "none") setConversation(id, { ...c, history: "stale" });
        }
        return histories.catchUp(conversationsByNews());
      })
      .then(() => {
        if (current === session && state.link.is === "online")
          set({ link: { is: "online", caughtUp: "refreshed" } });
      });
  }

  function refused() {
    const current = session;
    set({ link: { is: "reconnecting" } });
    later(() => {
      if (current !== session) return;
      void checkSession().then(() => current === session && link?.reconnect());
    }, reconnectAfterMs);
    reconnectAfterMs = Math.min(reconnectAfterMs * 2, RECONNECT_AFTER_MS_MAX);
  }

  function rosterChanged(ids: string[]) {
    const before = state.online;
    set({ online: new Set(ids) });
    const isNew = (id: string) => !before.has(id) && id !== state.me?._id;
    if (ids.some((id) => isNew(id) && !state.people.some((p) => p._id === id))) void loadPeople();
  }

  function messageArrived(message: Message, me: User) {
    const isMine = message.senderId === me._id;
    const peerId = isMine ? message.receiverId : message.senderId;
    const before = conversationWith(peerId);
    const after = conversation.received(before, message, !isMine && peerId !== state.openId);
    if (after === before) return;
    setConversation(peerId, after);
    touch(peerId);
    const sender = state.people.find((p) => p._id === peerId);
    if (!sender) void loadPeople();
    if (!isMine)
      set({ announcement: `${sender?.fullName ?? "Someone"}: ${message.text || "sent a picture"}` });
  }

  async function loadPeople() {
    const since = new Set<string>();
    touchedSince = since;
    const [people, chats] = await Promise.all([answer(api.people()), answer(api.chats())]);
    if (people) set({ people });
    const ids = chats?.map((p) => p._id);
    // Asked again meanwhile: the later answer counts.
    if (ids && since === touchedSince) set({ recent: recentLoaded(state.recent, ids, since) });
  }

  function touch(peerId: string) {
    touchedSince.add(peerId);
    set({ recent: touched(state.recent, peerId) });
  }

  const conversationsByNews = () => [...(state.recent ?? []), ...state.people.map((p) => p._id)];

  function deliver(peerId: string, clientId: string): Promise<void> {
    const waitsFor = lastSend.get(peerId) ?? Promise.resolve();
    const current = session;
    const isOver = () => current !== session;
    const attempt = waitsFor.then(async () => {
      const entry = conversationWith(peerId).outbox.find((o) => o.clientId === clientId);
      if (isOver() || !entry) return;
      try {
        const message = await api.send(peerId, { clientId, text: entry.text, image: entry.image });
        if (isOver()) return;
        setConversation(peerId, conversation.sent(conversationWith(peerId), clientId, message));
        touch(peerId);
        settle(peerId, entry.arrivals);
      } catch (error) {
        if (isOver()) return;
        setConversation(peerId, conversation.marked(conversationWith(peerId), clientId, "failed"));
        if (!(error instanceof ApiError && error.status === 0)) failed(error);
      }
    });
    // A failure is the attempt's to report; the next message goes out all the same.
    lastSend.set(
      peerId,
      attempt.catch(() => undefined),
    );
    return attempt;
  }

  /** From an older stretch back to the end. */
  function showLatest(peerId: string) {
    const c = conversationWith(peerId);
    if (!c.newest) return;
    setConversation(peerId, conversation.backAtEnd(c));
    void histories.load(peerId);
  }

  /**
   * A message just got its place in the log, and the answer does not say where among those that came in meanwhile: the
   * history does. `arrivals` is how many had come in when it was written.
   */
  function settle(peerId: string, arrivals: number) {
    const current = session;
    const now = conversationWith(peerId).arrivals;
    if (now !== arrivals) void histories.load(peerId);
    later(() => {
      if (current === session && conversationWith(peerId).arrivals !== now) void histories.load(peerId);
    }, SETTLED_AFTER_MS);
  }

  return {
    subscribe(listener: () => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    getSnapshot: () => state,
    checkSession,

    async signUp(form: { fullName: string; email: string; password: string }) {
      const user = await answer(api.signUp(form));
      if (user) begin(user);
    },
    async logIn(form: { email: string; password: string }) {
      const user = await answer(api.logIn(form));
      if (user) begin(user);
    },
    async logOut() {
      if (await answer(api.logOut())) end();
    },
    async changePicture(dataUrl: string) {
      const me = await answer(api.updateProfile(dataUrl));
      if (me) set({ me });
    },

    /** Shows the conversation with this person (null: none) and fetches it if needed. */
    open(peerId: string | null) {
      const left = state.openId;
      set({ openId: peerId });
      if (left && left !== peerId && state.conversations[left])
        setConversation(left, conversation.backAtEnd(conversationWith(left)));
      if (!peerId || state.phase !== "signed-in") return;
      const c = conversationWith(peerId);
      if (c.unread) setConversation(peerId, { ...c, unread: 0 });
      if (c.history !== "ready" && state.people.some((p) => p._id === peerId)) void histories.load(peerId);
    },
    reload: histories.load,
    loadOlder: histories.loadOlder,
    showLatest,

    /** False: too many messages wait already, the draft was not taken. */
    send(peerId: string, draft: Draft): boolean {
      const clientId = newClientId();
      const next = conversation.queued(conversationWith(peerId), clientId, draft);
      if (!next) {
        set({ notice: "Too many messages are waiting to be sent." });
        return false;
      }
      setConversation(peerId, next);
      showLatest(peerId);
      void deliver(peerId, clientId);
      return true;
    },
    retry(peerId: string, clientId: string) {
      setConversation(peerId, conversation.marked(conversationWith(peerId), clientId, "sending"));
      return deliver(peerId, clientId);
    },
    discard(peerId: string, clientId: string) {
      setConversation(peerId, conversation.discarded(conversationWith(peerId), clientId));
    },

    /** What the browser knows about the network; the link itself reports when it is back. */
    networkChanged(isOnline: boolean) {
      if (!isOnline) set({ link: { is: "offline" } });
      else if (state.link.is === "offline") set({ link: { is: link?.isUp() ? "online" : "reconnecting" } });
    },
    say: (notice: string | null) => set({ notice }),
  };
}
