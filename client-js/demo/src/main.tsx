import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { api } from "./chat/api.ts";
import { openLink } from "./chat/link.ts";
import { createChatStore } from "./chat/store.ts";
import { App } from "./ui/App.tsx";
import { ChatContext } from "./ui/useChat.ts";
import "./style/index.css";

const chat = createChatStore({
  api,
  openLink,
  later: (work, afterMs) => void setTimeout(work, afterMs),
  // Not `randomUUID`, which browsers give only to https and localhost.
  newClientId: () =>
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join(
      "",
    ),
});

// The open conversation is the address's hash, so links, back and reload work without a router.
const openFromAddress = () => chat.open(location.hash.slice(2) || null);
addEventListener("hashchange", openFromAddress);
addEventListener("online", () => chat.networkChanged(true));
addEventListener("offline", () => chat.networkChanged(false));
addEventListener("focus", () => void chat.checkSession());
openFromAddress();
void chat.checkSession();

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <ChatContext value={chat}>
      <App />
    </ChatContext>
  </StrictMode>,
);
