import { type ChangeEvent, useState } from "react";
import { latest } from "../chat/conversation.ts";
import type { ChatState, Message, User } from "../chat/model.ts";
import { Avatar } from "./Avatar.tsx";
import { listTime } from "./dates.ts";
import { Icon, Logo } from "./Icon.tsx";
import { LinkBadge } from "./LinkStatus.tsx";
import { PICTURE_TYPES, PictureError, toDataUrl } from "./picture.ts";
import { presence, presenceWord } from "./presence.ts";
import { useChat, useChatState } from "./useChat.ts";

const AVATAR_SIDE_PX = 256;
const SEARCH_FROM_PEOPLE = 8;
const PEOPLE_SHOWN_MAX = 200;

export function People() {
  const state = useChatState();
  const [search, setSearch] = useState("");
  const wanted = search.trim().toLowerCase();
  const found = state.people
    .filter((p) => p.fullName.toLowerCase().includes(wanted))
    .sort(byRelevance(state));
  const onlineCount = state.people.filter((p) => presence(state, p._id)).length;

  return (
    <aside className="people">
      <header className="bar">
        <Logo />
        <h1>Sockeye</h1>
        <LinkBadge />
      </header>
      {state.people.length >= SEARCH_FROM_PEOPLE && (
        <input
          className="search"
          type="search"
          dir="auto"
          aria-label="Search people"
          placeholder="Search people"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
      )}
      <nav aria-label="People" className="scroll">
        <h2 className="list-title">People{state.link.is === "online" && ` · ${onlineCount} online`}</h2>
        <ul>
          {found.slice(0, PEOPLE_SHOWN_MAX).map((person) => (
            <Row key={person._id} person={person} state={state} />
          ))}
        </ul>
        {found.length > PEOPLE_SHOWN_MAX && (
          <p className="muted pad">{found.length - PEOPLE_SHOWN_MAX} more: search by name.</p>
        )}
        {found.length === 0 && (
          <p className="muted pad">{wanted ? "Nobody by that name." : "Nobody else is here yet."}</p>
        )}
      </nav>
      {state.me && <Me me={state.me} />}
    </aside>
  );
}

function Row({ person, state }: { person: User; state: ChatState }) {
  const isOnline = presence(state, person._id);
  const conversation = state.conversations[person._id];
  const last = conversation && latest(conversation);
  const unread = conversation?.unread ?? 0;
  const status = presenceWord(isOnline);
  return (
    <li>
      <a
        href={`#/${person._id}`}
        className="row"
        aria-current={state.openId === person._id ? "page" : undefined}
      >
        <Avatar user={person} isOnline={isOnline} />
        <span className="row-words">
          <span className="row-name" dir="auto">
            {person.fullName}
          </span>
          {last && <span className="sr-only">{status}</span>}
          {last ? <Preview of={last} peer={person} /> : <span className="row-preview">{status}</span>}
        </span>
        <span className="row-side">
          {last && <time dateTime={last.createdAt}>{listTime(last.createdAt)}</time>}
          {unread > 0 && (
            <span className="unread">
              {unread > 99 ? "99+" : unread}
              <span className="sr-only"> unread</span>
            </span>
          )}
        </span>
      </a>
    </li>
  );
}

function Me({ me }: { me: User }) {
  const chat = useChat();

  async function pick(event: ChangeEvent<HTMLInputElement>) {
    const input = event.currentTarget;
    const file = input.files?.[0];
    input.value = "";
    if (!file) return;
    try {
      await chat.changePicture(await toDataUrl(file, AVATAR_SIDE_PX, "square"));
    } catch (error) {
      if (!(error instanceof PictureError)) throw error;
      chat.say(error.message);
    }
  }

  return (
    <footer className="bar me">
      <label className="me-picture" title="Change profile picture">
        <Avatar user={me} />
        <span className="me-camera">
          <Icon name="camera" />
        </span>
        <span className="sr-only">Change profile picture</span>
        <input className="sr-only" type="file" accept={PICTURE_TYPES} onChange={pick} />
      </label>
      <span className="row-words">
        <span className="row-name" dir="auto">
          {me.fullName}
        </span>
        <span className="row-preview" dir="auto">
          {me.email}
        </span>
      </span>
      <button
        type="button"
        className="icon-button"
        aria-label="Log out"
        title="Log out"
        onClick={chat.logOut}
      >
        <Icon name="leave" />
      </button>
    </footer>
  );
}

/** Latest conversation first, then who is online, then by name. */
function byRelevance({ recent, online }: ChatState) {
  const ranks = new Map(recent?.map((id, rank) => [id, rank]));
  const rank = (p: User) => ranks.get(p._id) ?? ranks.size;
  return (a: User, b: User) =>
    rank(a) - rank(b) ||
    Number(online.has(b._id)) - Number(online.has(a._id)) ||
    a.fullName.localeCompare(b.fullName);
}

/** The last message in one line. What the other wrote decides its direction; one's own follows the word "You". */
function Preview({ of: { senderId, text }, peer }: { of: Message; peer: User }) {
  const words = text || "Picture";
  return senderId === peer._id ? (
    <span className="row-preview" dir="auto">
      {words}
    </span>
  ) : (
    <span className="row-preview">
      You: <bdi>{words}</bdi>
    </span>
  );
}
