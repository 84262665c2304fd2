import type { LinkState } from "../chat/model.ts";
import { useChatState } from "./useChat.ts";

/** The link's state in one word, always on screen. */
export function LinkBadge() {
  const { link } = useChatState();
  return (
    <span className={`link-badge ${link.is}`} data-testid="link">
      {badge[link.is]}
    </span>
  );
}

/** Speaks up while the link is away and, for a moment, when it is back. */
export function LinkStrip() {
  const { link } = useChatState();
  const words = sentence(link);
  return (
    <div role="status" className="link-strip-place">
      {words && <p className={`link-strip ${link.is}`}>{words}</p>}
    </div>
  );
}

const badge = {
  connecting: "Connecting",
  online: "Connected",
  reconnecting: "Reconnecting",
  offline: "Offline",
};

function sentence(link: LinkState): string | null {
  if (link.is === "reconnecting") return "Connection lost. Reconnecting…";
  if (link.is === "offline") return "You are offline. Messages will arrive when you are back.";
  if (link.is === "online" && link.caughtUp) return "Back online. You are all caught up.";
  return null;
}
