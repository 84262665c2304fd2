import type { Draft, Message, User } from "./model.ts";

const REQUEST_TIMEOUT_MS = 60_000;
/** Messages asked for at once. The server may answer with fewer although there are more. */
const HISTORY_PAGE_LEN = 100;

/** `status` 0: no answer came. The message is the server's own sentence where it gave one. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
  /** The session is over: the way on is to log in again. */
  get isSignedOut(): boolean {
    return this.status === 401;
  }
}

/** The REST half of contract `direct`; the session is the cookie `jwt`. Every call may throw `ApiError`. */
export const api = {
  check: () => call<User>("GET", "/auth/check"),
  signUp: (form: { fullName: string; email: string; password: string }) =>
    call<User>("POST", "/auth/signup", form),
  logIn: (form: { email: string; password: string }) => call<User>("POST", "/auth/login", form),
  logOut: () => call<unknown>("POST", "/auth/logout"),
  updateProfile: (profilePic: string) => call<User>("PUT", "/auth/update-profile", { profilePic }),
  people: () => call<User[]>("GET", "/messages/users"),
  /** Those with whom something was said, latest first. */
  chats: () => call<User[]>("GET", "/messages/chats"),
  /** The latest messages, or the latest before the message `before`: oldest first, in the server's order. */
  history: (peerId: string, before?: string) =>
    call<Message[]>(
      "GET",
      `/messages/${encodeURIComponent(peerId)}?limit=${HISTORY_PAGE_LEN}${before ? `&before=${encodeURIComponent(before)}` : ""}`,
    ),
  /** `clientId` makes a retry the same message on a server that knows it; others ignore it. */
  send: (peerId: string, message: Draft & { clientId: string }) =>
    call<Message>("POST", `/messages/send/${encodeURIComponent(peerId)}`, message),
};
export type Api = typeof api;

async function call<T>(method: string, path: string, body?: object): Promise<T> {
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(`/api${path}`, {
      method,
      credentials: "same-origin",
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    answer = await response.json();
  } catch (cause) {
    throw new ApiError(0, "The server cannot be reached right now.", { cause });
  }
  if (response.ok) return answer as T;
  const { message } = (answer ?? {}) as { message?: unknown };
  throw new ApiError(
    response.status,
    typeof message === "string" && message ? message : "Something went wrong.",
  );
}
