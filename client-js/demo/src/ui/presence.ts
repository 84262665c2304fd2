import type { ChatState } from "../chat/model.ts";

/** Is this person online? `undefined` while the link is away: then nobody here can know. */
export function presence(state: ChatState, userId: string): boolean | undefined {
  return state.link.is === "online" ? state.online.has(userId) : undefined;
}

export const presenceWord = (isOnline: boolean | undefined): string =>
  isOnline === undefined ? "Waiting for the connection" : isOnline ? "Online" : "Offline";
