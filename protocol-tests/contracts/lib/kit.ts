/** What differs between the two contracts, so that one suite can hold for both. */
import type { AxiosInstance } from "axios";
import { must } from "../../lib/wait.ts";
import type { Browser, Deployment } from "./browser-http.ts";
import { call, newBrowser } from "./browser-http.ts";
import type { Message } from "./frontend-direct.ts";
import type { Ack } from "./frontend-direct-v1.ts";
import type { Contract, Server } from "./server.ts";
import { openTab, type Tab } from "./tabs.ts";

/** Who has signed up. */
export interface Person {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly password: string;
}

/** A person at a browser, logged in. */
export interface Account extends Person, Browser {}

/** Sends text the way the contract's frontend does. */
export interface Sender {
  send(to: string, text: string): Promise<Message>;
  close(): void;
}

export interface Kit {
  readonly contract: Contract;
  readonly cookie: string;
  /** Paths below `/api`. */
  readonly path: {
    signup: string;
    login: string;
    logout: string;
    check: string;
    profile: string;
    users: string;
    history(other: string): string;
    send(to: string): string;
  };
  readonly pictureField: "profilePic" | "profile_picture";
  signUpForm(name: string, email: string, password: string): object;
  /** The user inside a sign-up, log-in, check or update-profile answer. */
  userIn(body: unknown): { _id: string } & Record<string, unknown>;
  listIn<T>(body: unknown): T[];
  sentIn(body: unknown): Message;
  sender(account: Account): Promise<Sender>;
}

export const direct: Kit = {
  contract: "direct",
  cookie: "jwt",
  path: {
    signup: "/auth/signup",
    login: "/auth/login",
    logout: "/auth/logout",
    check: "/auth/check",
    profile: "/auth/update-profile",
    users: "/messages/users",
    history: (other) => `/messages/${other}`,
    send: (to) => `/messages/send/${to}`,
  },
  pictureField: "profilePic",
  signUpForm: (fullName, email, password) => ({ fullName, email, password }),
  userIn: (body) => body as ReturnType<Kit["userIn"]>,
  listIn: <T>(body: unknown) => body as T[],
  sentIn: (body) => body as Message,
  sender: async (account) => ({
    send: async (to, text) => (await account.http.post(`/messages/send/${to}`, { text, image: null })).data,
    close: () => {},
  }),
};

export const directV1: Kit = {
  contract: "direct-v1",
  cookie: "token",
  path: {
    ...direct.path,
    signup: "/v1/auth/signup",
    login: "/v1/auth/login",
    logout: "/v1/auth/logout",
    check: "/v1/auth/check-auth",
    profile: "/v1/auth/update-profile",
  },
  pictureField: "profile_picture",
  signUpForm: (full_name, email, password) => ({ full_name, email, password, profilePicture: "", bio: "" }),
  userIn: (body) => (body as { user: ReturnType<Kit["userIn"]> }).user,
  listIn: <T>(body: unknown) => (body as { data: T[] }).data,
  sentIn: (body) => (body as { data: Message }).data,
  sender: async (account) => {
    const tab = await openTab(account, account.id).active();
    return { send: (to, text) => emitMessage(tab, to, text), close: () => tab.close() };
  },
};

/** `sendMessage` over the socket (direct-v1); fails unless acknowledged with `status: "ok"`. */
export async function emitMessage(tab: Tab, to: string, text: string): Promise<Message> {
  const [ack] = (await tab.ask("sendMessage", { to, text, image: null })) as [Ack];
  if (ack?.status !== "ok") throw new Error(`not accepted: ${JSON.stringify(ack)}`);
  return ack.message as Message;
}

let people = 0;

/** Signs a new person up in a browser of their own. */
export async function newAccount(
  server: Server,
  kit: Kit,
  name: string,
  deployment: Deployment = "cross-origin",
): Promise<Account> {
  people += 1;
  const browser = newBrowser(server.entrances(), deployment);
  const email = `${name.toLowerCase()}.${people}.${process.pid}@example.com`;
  const password = `secret of ${name}`;
  const answer = await browser.http.post(kit.path.signup, kit.signUpForm(name, email, password));
  must(browser.jar.get(kit.cookie), `cookie ${kit.cookie} after signup`);
  return { ...browser, id: kit.userIn(answer.data)._id, name, email, password };
}

/** The same person in another browser: a session of its own. */
export async function logInAgain(
  server: Server,
  kit: Kit,
  person: Person,
  deployment: Deployment = "cross-origin",
): Promise<Account> {
  const browser = newBrowser(server.entrances(), deployment);
  await browser.http.post(kit.path.login, { email: person.email, password: person.password });
  return { ...person, ...browser };
}

export async function history(kit: Kit, reader: { http: AxiosInstance }, other: string): Promise<Message[]> {
  const answer = await call(reader, "GET", kit.path.history(other));
  if (answer.status !== 200) throw new Error(`history: ${answer.status} ${JSON.stringify(answer.data)}`);
  return kit.listIn<Message>(answer.data);
}

export const textsOf = (messages: Message[]) => messages.map((message) => message.text);
export const idsOf = (messages: Message[]) => messages.map((message) => message._id);
