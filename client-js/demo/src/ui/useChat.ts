import { createContext, use, useSyncExternalStore } from "react";
import type { ChatState } from "../chat/model.ts";
import type { ChatStore } from "../chat/store.ts";

export const ChatContext = createContext<ChatStore | null>(null);

/** The verbs: stable, safe in any callback. */
export function useChat(): ChatStore {
  const chat = use(ChatContext);
  if (!chat) throw new Error("useChat is called outside ChatContext");
  return chat;
}

/** The facts, as of now. */
export function useChatState(): ChatState {
  const chat = useChat();
  return useSyncExternalStore(chat.subscribe, chat.getSnapshot);
}
