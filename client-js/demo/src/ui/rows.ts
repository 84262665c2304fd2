import type { Message } from "../chat/model.ts";
import { dayName } from "./dates.ts";

/** Messages of one person less than this apart stand together. */
const GROUP_WITHIN_MS = 5 * 60_000;

export interface Row {
  message: Message;
  /** Stands together with the message before it. */
  isJoined: boolean;
  /** The day that starts with this message. */
  day: string | null;
}

/**
 * Messages as they are drawn, in the order they have. Their times may go back where the clocks of servers differ: a day
 * that has begun does not begin again.
 */
export function rows(messages: readonly Message[]): Row[] {
  let latestDay = Number.NEGATIVE_INFINITY;
  return messages.map((message, i) => {
    const before = messages[i - 1];
    const startsDay = new Date(message.createdAt).setHours(0, 0, 0, 0);
    const day = startsDay > latestDay ? dayName(message.createdAt) : null;
    if (day) latestDay = startsDay;
    const apartMs = before ? Date.parse(message.createdAt) - Date.parse(before.createdAt) : 0;
    const isJoined = !day && before?.senderId === message.senderId && Math.abs(apartMs) < GROUP_WITHIN_MS;
    return { message, isJoined, day };
  });
}
