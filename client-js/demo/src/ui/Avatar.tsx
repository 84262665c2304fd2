import { useState } from "react";
import type { User } from "../chat/model.ts";

const HUES = 8;

/** A person's picture, or their initials on a colour of their own. */
export function Avatar({ user, isOnline }: { user: User; isOnline?: boolean }) {
  const [brokenSrc, setBrokenSrc] = useState("");
  const isPicture = user.profilePic && user.profilePic !== brokenSrc;
  const hue = [...user._id].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 9973, 7) % HUES;
  return (
    <span className={`avatar hue-${hue}`} aria-hidden="true">
      {isPicture ? (
        <img src={user.profilePic} alt="" onError={() => setBrokenSrc(user.profilePic)} />
      ) : (
        <bdi>{initials(user.fullName)}</bdi>
      )}
      {isOnline !== undefined && <span className={`dot ${isOnline ? "on" : ""}`} />}
    </span>
  );
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...(word ?? "")][0]?.toUpperCase() ?? "").join("");
}
