/** Whom one talks to, latest first. */
export type Recent = readonly string[];

/** Something was said with this person just now. */
export function touched(recent: Recent | null, peerId: string): Recent {
  if (recent?.[0] === peerId) return recent;
  return [peerId, ...(recent ?? []).filter((id) => id !== peerId)];
}

/** The server's order; `since` are those with whom something was said after it was asked for. */
export function recentLoaded(
  recent: Recent | null,
  server: readonly string[],
  since: ReadonlySet<string>,
): Recent {
  const newer = (recent ?? []).filter((id) => since.has(id));
  return [...newer, ...server.filter((id) => !since.has(id))];
}
