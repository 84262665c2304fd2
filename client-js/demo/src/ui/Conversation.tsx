import { type RefObject, useEffect, useMemo, useRef, useState } from "react";
import { emptyConversation } from "../chat/conversation.ts";
import type { Conversation as State, User } from "../chat/model.ts";
import { Avatar } from "./Avatar.tsx";
import { Bubble, OutgoingBubble } from "./Bubble.tsx";
import { Composer, type ComposerHandle } from "./Composer.tsx";
import { Icon } from "./Icon.tsx";
import { Lightbox } from "./Lightbox.tsx";
import { presence, presenceWord } from "./presence.ts";
import { rows } from "./rows.ts";
import { useChat, useChatState } from "./useChat.ts";
import { useHeldPlace } from "./useHeldPlace.ts";

const AWAY_FROM_END_PX = 200;
/** Older messages are fetched before the reader comes to where they belong. */
const FETCHED_AHEAD_PX = 800;

export function Conversation({ peer, me }: { peer: User; me: User }) {
  const chat = useChat();
  const state = useChatState();
  const conversation = state.conversations[peer._id] ?? emptyConversation;
  const { messages, outbox, history, newest } = conversation;
  const drawn = useMemo(() => rows(messages), [messages]);
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

  useHeldPlace(scroller);
  // The list is laid out from its end (column-reverse): 0 is the newest message, and it stays in view by itself.
  const toEnd = () => {
    scroller.current?.scrollTo({ top: 0 });
  };
  const showLatest = () => {
    chat.showLatest(peer._id);
    toEnd();
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
          <h2 className="row-name" dir="auto" ref={heading} tabIndex={-1}>
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
          {messages.length > 0 && <Older conversation={conversation} peer={peer} scroller={scroller} />}
          {drawn.map((row) => (
            <Bubble
              key={row.message.clientId ?? row.message._id}
              {...row}
              author={row.message.senderId === me._id ? null : peer.fullName}
              onEnlarge={setEnlarged}
            />
          ))}
          {newest && (
            <li className="nothing">
              There are newer messages.{" "}
              <button type="button" className="as-link" onClick={showLatest}>
                Show them
              </button>
            </li>
          )}
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
      {(isAway || newest) && (
        <button
          type="button"
          className="icon-button to-end"
          aria-label="Jump to the latest message"
          onClick={showLatest}
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
  if (history !== "ready") return <li className="nothing">Loading…</li>;
  return (
    <li className="nothing">
      Say hello to <bdi>{peer.fullName}</bdi>.
    </li>
  );
}

interface OlderProps {
  conversation: State;
  peer: User;
  scroller: RefObject<HTMLElement | null>;
}

/** Stands before the first message, and fetches what is older when it comes near. */
function Older({ conversation: { older, history, messages }, peer, scroller }: OlderProps) {
  const chat = useChat();
  const place = useRef<HTMLLIElement>(null);
  const first = messages[0]?._id;

  // biome-ignore lint/correctness/useExhaustiveDependencies: with another first message it is somewhere else
  useEffect(() => {
    if (older !== "unknown" || history !== "ready" || !place.current) return;
    const watch = new IntersectionObserver(
      (seen) => seen.some((entry) => entry.isIntersecting) && chat.loadOlder(peer._id),
      { root: scroller.current, rootMargin: `${FETCHED_AHEAD_PX}px 0px 0px` },
    );
    watch.observe(place.current);
    return () => watch.disconnect();
  }, [older, history, first, chat, peer._id, scroller]);

  return (
    <li ref={place} className="nothing older">
      {older === "loading" && "Loading…"}
      {older === "failed" && (
        <>
          Older messages could not be loaded.{" "}
          <button type="button" className="as-link" onClick={() => chat.loadOlder(peer._id)}>
            Try again
          </button>
        </>
      )}
    </li>
  );
}
