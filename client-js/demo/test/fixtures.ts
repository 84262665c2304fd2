import type { Api } from "../src/chat/api.ts";
import type { Link, LinkEvents } from "../src/chat/link.ts";
import type { Message, User } from "../src/chat/model.ts";
import { createChatStore } from "../src/chat/store.ts";

export const user = (id: string): User => ({
  _id: id,
  fullName: id,
  email: `${id}@example.com`,
  profilePic: "",
});

/** The `n`th message of the conversation, from `peer` to `me` unless said otherwise. */
export const message = (n: number, fields: Partial<Message> = {}): Message => ({
  _id: `m${n}`,
  senderId: "peer",
  receiverId: "me",
  text: `text ${n}`,
  createdAt: new Date(Date.UTC(2026, 0, 1) + n * 1000).toISOString(),
  ...fields,
});

/** A store over a scripted server: `me` is logged in, `peer` and `other` exist, nothing has been said. */
export async function startedChat(overrides: Partial<Api> = {}) {
  const links: { on: LinkEvents; closed: boolean; reconnects: number }[] = [];
  const waiting: (() => void)[] = [];
  let keys = 0;
  const api: Api = {
    check: async () => user("me"),
    signUp: async () => user("me"),
    logIn: async () => user("me"),
    logOut: async () => ({}),
    updateProfile: async (profilePic) => ({ ...user("me"), profilePic }),
    people: async () => [user("peer"), user("other")],
    chats: async () => [],
    history: async () => [],
    send: async () => message(100, { senderId: "me", receiverId: "peer" }),
    ...overrides,
  };
  const openLink = (_userId: string, on: LinkEvents): Link => {
    const opened = { on, closed: false, reconnects: 0 };
    links.push(opened);
    return {
      isUp: () => !opened.closed,
      reconnect: () => void opened.reconnects++,
      close: () => {
        opened.closed = true;
      },
    };
  };
  const chat = createChatStore({
    api,
    openLink,
    later: (work) => void waiting.push(work),
    newClientId: () => `k${keys++}`,
  });
  await chat.checkSession();
  await settled();
  const link = links[0];
  if (!link) throw new Error("no link was opened");
  link.on.up(false);
  return { chat, api, links, link, runTimers: () => waiting.splice(0).map((work) => work()) };
}

/** Every promise that can settle without the outside has settled. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
