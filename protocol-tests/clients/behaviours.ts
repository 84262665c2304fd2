// What every client library is made to do, in every one of its three ways to connect.

export const modes = ["polling", "websocket", "upgrade"] as const;
export type Mode = (typeof modes)[number];

/** What a client is told to use; "upgrade" is the default of all libraries. */
export const transportsOf: Record<Mode, string[]> = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};

export const behaviours = [
  "connects by this transport",
  "gets back arguments of every JSON type",
  "gets back binary",
  "gets acknowledgements with arguments of every JSON type",
  "gets acknowledgements with binary",
  "acknowledges what the server asks for",
  "acknowledges with binary",
  "gets 200 acknowledgements and 200 events in the order it sent",
  "sends and receives 500 kB at once",
  "joins a custom namespace beside the main one",
  "is refused an unknown namespace",
  "hands over an auth payload",
  "stays connected through several heartbeats",
  "leaves and comes back",
  "reconnects after its connection was cut",
] as const;
export type Behaviour = (typeof behaviours)[number];

export const nameOf = (mode: Mode, behaviour: Behaviour): string => `${mode}: ${behaviour}`;
