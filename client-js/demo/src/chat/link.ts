import { io } from "socket.io-client";
import type { Message } from "./model.ts";

export interface LinkEvents {
  /** Connected; `recovered`: the server has replayed what was missed. */
  up(recovered: boolean): void;
  /** Gone; it comes back by itself. */
  down(): void;
  /** Refused or ended by the server; it stays away until `reconnect()`. */
  refused(): void;
  onlineUsers(ids: string[]): void;
  message(message: Message): void;
}

export interface Link {
  isUp(): boolean;
  reconnect(): void;
  close(): void;
}

/** The Socket.IO half of contract `direct`: the page only listens. */
export function openLink(userId: string, on: LinkEvents): Link {
  const socket = io({ query: { userId } });
  socket.on("connect", () => on.up(socket.recovered));
  socket.on("connect_error", () => (socket.active ? on.down() : on.refused()));
  socket.on("disconnect", (reason) => {
    if (socket.active) on.down();
    else if (reason !== "io client disconnect") on.refused();
  });
  socket.on("getOnlineUsers", on.onlineUsers);
  socket.on("newMessage", on.message);
  return {
    isUp: () => socket.connected,
    reconnect: () => socket.connect(),
    close: () => socket.disconnect(),
  };
}
