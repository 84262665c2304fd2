// Who is online, told to everyone after a change.
export class Presence {
  #io;
  #everyMs;
  #socketsOf = new Map();
  #planned = null;
  #hidden;

  /** Changes within `everyMs` are told together; 0 tells every change by itself, as the original backend does; the first `hidden` users are left out. */
  constructor(io, everyMs, hidden) {
    this.#io = io;
    this.#everyMs = everyMs;
    this.#hidden = hidden;
  }

  arrived(userId) {
    this.#socketsOf.set(userId, (this.#socketsOf.get(userId) ?? 0) + 1);
    this.#changed();
  }

  left(userId) {
    const sockets = this.#socketsOf.get(userId) - 1;
    if (sockets > 0) this.#socketsOf.set(userId, sockets);
    else this.#socketsOf.delete(userId);
    this.#changed();
  }

  #changed() {
    if (this.#everyMs === 0) return this.#tell();
    this.#planned ??= setTimeout(() => {
      this.#planned = null;
      this.#tell();
    }, this.#everyMs);
  }

  #tell() {
    this.#io.emit("getOnlineUsers", [...this.#socketsOf.keys()].slice(this.#hidden));
  }
}
