import { memo } from "react";
import type { Outgoing } from "../chat/model.ts";
import { clockTime } from "./dates.ts";
import type { Row } from "./rows.ts";

interface Props extends Row {
  /** Null: oneself. */
  author: string | null;
  onEnlarge(src: string): void;
}

export const Bubble = memo(function Bubble({ message, author, isJoined, day, onEnlarge }: Props) {
  const { image, text, createdAt } = message;
  return (
    <>
      {day && <li className="day">{day}</li>}
      <li className={`message ${author ? "" : "mine"} ${isJoined ? "joined" : ""}`}>
        <div className={`bubble ${image ? "with-picture" : ""}`}>
          <span className="sr-only">
            <bdi>{author ?? "You"}</bdi>:{" "}
          </span>
          {image && (
            <button
              type="button"
              className="picture"
              aria-label="Enlarge picture"
              onClick={() => onEnlarge(image)}
            >
              <img src={image} alt="" />
            </button>
          )}
          {text && <p dir="auto">{text}</p>}
          <time dateTime={createdAt}>{clockTime(createdAt)}</time>
        </div>
      </li>
    </>
  );
});

interface OutgoingProps {
  entry: Outgoing;
  onRetry(): void;
  onDiscard(): void;
}

export function OutgoingBubble({ entry, onRetry, onDiscard }: OutgoingProps) {
  return (
    <li className={`message mine ${entry.status}`}>
      <div className={`bubble ${entry.image ? "with-picture" : ""}`}>
        <span className="sr-only">You: </span>
        {entry.image && (
          <span className="picture">
            <img src={entry.image} alt="" />
          </span>
        )}
        {entry.text && <p dir="auto">{entry.text}</p>}
        {entry.status === "sending" && <span className="state">Sending…</span>}
      </div>
      {entry.status === "failed" && (
        <p className="failure" role="alert">
          Not sent.{" "}
          <button type="button" className="as-link" onClick={onRetry}>
            Retry
          </button>{" "}
          <button type="button" className="as-link" onClick={onDiscard}>
            Delete
          </button>
        </p>
      )}
    </li>
  );
}
