import { useEffect } from "react";
import { Conversation } from "./Conversation.tsx";
import { Icon, Logo } from "./Icon.tsx";
import { LinkStrip } from "./LinkStatus.tsx";
import { People } from "./People.tsx";
import { SignIn } from "./SignIn.tsx";
import { useChat, useChatState } from "./useChat.ts";

export function App() {
  const { phase, me, notice, announcement, conversations } = useChatState();
  const unread = Object.values(conversations).reduce((sum, c) => sum + c.unread, 0);
  useEffect(() => {
    document.title = unread ? `(${unread}) Sockeye` : "Sockeye";
  }, [unread]);

  return (
    <>
      {phase === "checking" && <Splash words="One moment…" />}
      {phase === "unreachable" && <Unreachable />}
      {phase === "signed-out" && <SignIn />}
      {phase === "signed-in" && me && <Chat />}
      {phase !== "signed-out" && notice && <Notice text={notice} />}
      <p className="sr-only" aria-live="polite">
        {announcement}
      </p>
    </>
  );
}

function Chat() {
  const { openId, people, me } = useChatState();
  const peer = people.find((p) => p._id === openId);
  return (
    <div className={`chat ${peer ? "has-open" : ""}`}>
      <LinkStrip />
      <People />
      <main className="pane">
        {peer && me ? (
          <Conversation key={peer._id} peer={peer} me={me} />
        ) : (
          <div className="blank">
            <Logo />
            <h2>Pick someone to talk to</h2>
            <p>
              Trying this alone? Open a private window, sign up as a second person, and put the two side by
              side.
            </p>
          </div>
        )}
      </main>
    </div>
  );
}

function Splash({ words }: { words: string }) {
  return (
    <main className="blank tall" aria-busy="true">
      <Logo />
      <p>{words}</p>
    </main>
  );
}

function Unreachable() {
  const chat = useChat();
  useEffect(() => {
    const timer = setInterval(() => void chat.checkSession(), 3_000);
    return () => clearInterval(timer);
  }, [chat]);
  return <Splash words="The server cannot be reached. Trying again…" />;
}

function Notice({ text }: { text: string }) {
  const chat = useChat();
  return (
    <div className="notice" role="alert">
      <span>{text}</span>
      <button
        type="button"
        className="icon-button notice-close"
        aria-label="Dismiss"
        onClick={() => chat.say(null)}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}
