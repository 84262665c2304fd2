import { useEffect, useRef, useState } from "react";
import { emptyConversation } from "../chat/conversation.ts";
import type { User } from "../chat/model.ts";
import { Avatar } from "./Avatar.tsx";
import { Bubble, OutgoingBubble } from "./Bubble.tsx";
import { Composer, type ComposerHandle } from "./Composer.tsx";
import { dayName } from "./dates.ts";
import { Icon } from "./Icon.tsx";
import { Lightbox } from "./Lightbox.tsx";
import { presence, presenceWord } from "./presence.ts";
import { useChat, useChatState } from "./useChat.ts";

/** Messages of one person less than this apart stand together. */
const GROUP_WITHIN_MS = 5 * 60_000;
const AWAY_FROM_END_PX = 200;

export function Conversation({ peer, me }: { peer: User; me: User }) {
  const chat = useChat();
  const state = useChatState();
  const { messages, outbox, history } = state.conversations[peer._id] ?? emptyConversation;
  const isOnline = presence(state, peer._id);
  const heading = useRef<HTMLHeadingElement>(null);
  const composer = useRef<ComposerHandle>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const [isAway, setIsAway] = useState(false);
  const [isDropping, setIsDropping] = useState(false);
  const [enlarged, setEnlarged] = useState<string | null>(null);

  // Where the composer does not take the focus (on a phone), the heading says where one has arrived.
  useEffect(() => {
    if (!matchMedia("(hover: hover)").matches) heading.current?.focus();
  }, []);

  // The list is laid out from its end (column-reverse): 0 is the newest message, and it stays in view by itself.
  const toEnd = () => {
    scroller.current?.scrollTo({ top: 0 });
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: what one sends oneself is always brought into view
  useEffect(toEnd, [outbox.length]);

  return (
    <section
      className={`conversation ${isDropping ? "dropping" : ""}`}
      aria-label={`Conversation with ${peer.fullName}`}
      onDragOver={(event) => {
        event.preventDefault();
        setIsDropping(true);
      }}
      onDragLeave={() => setIsDropping(false)}
      onDrop={(event) => {
        event.preventDefault();
        setIsDropping(false);
        composer.current?.attach(event.dataTransfer.files);
      }}
    >
      <header className="bar">
        <a className="icon-button back" href="#/" aria-label="Back to people">
          <Icon name="back" />
        </a>
        <Avatar user={peer} isOnline={isOnline} />
        <span className="row-words">
          <h2 className="row-name" ref={heading} tabIndex={-1}>
            {peer.fullName}
          </h2>
          <span className="row-preview" role="status">
            {presenceWord(isOnline)}
          </span>
        </span>
      </header>

      <div
        className="scroll messages"
        ref={scroller}
        onScroll={(e) => setIsAway(e.currentTarget.scrollTop < -AWAY_FROM_END_PX)}
      >
        <ol aria-label="Messages" aria-busy={history === "loading"}>
          {messages.length + outbox.length === 0 && <Nothing history={history} peer={peer} />}
          {messages.map((message, i) => {
            const before = messages[i - 1];
            const isNewDay = !before || dayName(before.createdAt) !== dayName(message.createdAt);
            const isJoined =
              !isNewDay &&
              before.senderId === message.senderId &&
              Date.parse(message.createdAt) - Date.parse(before.createdAt) < GROUP_WITHIN_MS;
            return (
              <Bubble
                key={message.clientId ?? message._id}
                message={message}
                author={message.senderId === me._id ? null : peer.fullName}
                isJoined={isJoined}
                day={isNewDay ? dayName(message.createdAt) : null}
                onEnlarge={setEnlarged}
              />
            );
          })}
          {outbox.map((entry) => (
            <OutgoingBubble
              key={entry.clientId}
              entry={entry}
              onRetry={() => chat.retry(peer._id, entry.clientId)}
              onDiscard={() => chat.discard(peer._id, entry.clientId)}
            />
          ))}
        </ol>
      </div>
      {isAway && (
        <button
          type="button"
          className="icon-button to-end"
          aria-label="Jump to the latest message"
          onClick={toEnd}
        >
          <Icon name="down" />
        </button>
      )}
      <Composer ref={composer} peer={peer} />
      {enlarged && <Lightbox src={enlarged} onClose={() => setEnlarged(null)} />}
    </section>
  );
}

function Nothing({ history, peer }: { history: string; peer: User }) {
  const chat = useChat();
  if (history === "failed") {
    return (
      <li className="nothing">
        The messages could not be loaded.{" "}
        <button type="button" className="as-link" onClick={() => chat.reload(peer._id)}>
          Try again
        </button>
      </li>
    );
  }
  return <li className="nothing">{history === "ready" ? `Say hello to ${peer.fullName}.` : "Loading…"}</li>;
}
