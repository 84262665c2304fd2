// Where the server under test is, and the settings it must run with (the conformance application's).

/** Origin of the Socket.IO echo application, served at `/socket.io/`. */
export const socketIoOrigin = process.env.SOCKETIO_URL ?? "http://127.0.0.1:3000";

/** Origin of the bare Engine.IO echo, served at `/engine.io/`. */
export const engineIoOrigin = process.env.ENGINEIO_URL ?? "http://127.0.0.1:3001";

export const socketIoEndpoint = `${socketIoOrigin}/socket.io/`;
export const engineIoEndpoint = `${engineIoOrigin}/engine.io/`;

export const expected = {
  pingIntervalMs: 300,
  pingTimeoutMs: 200,
  connectTimeoutMs: 1000,
  maxPayloadBytes: 1_000_000,
} as const;

/** How long any single awaited thing may take. Far above every protocol time-out: CI machines stall. */
export const patienceMs = 10_000;

/** Engine.IO revision: 4 is what current clients speak, 3 what socket.io-client 2.x speaks. */
export type Eio = 3 | 4;
export const revisions: readonly Eio[] = [3, 4];

export type TransportName = "polling" | "websocket";
export const transports: readonly TransportName[] = ["polling", "websocket"];
