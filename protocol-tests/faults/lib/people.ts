/** People with real Socket.IO clients. Everything they see goes into the ledger. */
import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { type Browser, call, type Deployment, newBrowser } from "../../contracts/lib/browser-http.ts";
import type { Message } from "../../contracts/lib/frontend-direct.ts";
import type { Ack } from "../../contracts/lib/frontend-direct-v1.ts";
import type { Link } from "../../lib/link.ts";
import type { Balancer } from "./balancer.ts";
import type { HistoryRead, Ledger, Device as Record, Seen, Send } from "./ledger.ts";

const ACK_WITHIN_MS = 15_000;
const REQUEST_WITHIN_MS = 10_000;
/** A page's patience between a failure and the next try. */
const RETRY_AFTER_MS = 500;
const PASSWORD = "correct horse";

export interface Person {
  readonly name: string;
  readonly id: string;
  readonly devices: Device[];
}

export const conversationOf = (a: string, b: string) => [a, b].sort().join("+");

/** Milliseconds; fractions tell apart what happens in the same one. */
export const now = () => performance.now();

/** Everybody, by name and by id; and who talks with whom. */
export class Town {
  readonly people = new Map<string, Person>();
  private readonly names = new Map<string, string>();

  constructor(
    readonly ledger: Ledger,
    private readonly balancer: Balancer,
    /** Pairs of names. */
    readonly pairs: readonly (readonly [string, string])[],
  ) {}

  get devices(): Device[] {
    return [...this.people.values()].flatMap((person) => person.devices);
  }

  person(name: string): Person {
    const person = this.people.get(name);
    if (!person) throw new Error(`nobody is called ${name}`);
    return person;
  }

  nameOf(id: string): string {
    return this.names.get(id) ?? `stranger ${id}`;
  }

  friendsOf(name: string): string[] {
    return this.pairs.flatMap(([a, b]) => (a === name ? [b] : b === name ? [a] : []));
  }

  /** Signs up and makes `ways.length` devices, which do not connect yet. */
  async settle(name: string, homes: readonly number[], way: (index: number) => Way): Promise<Person> {
    const email = `${name}@example.com`;
    const devices: Device[] = [];
    let id = "";
    for (const [index, home] of homes.entries()) {
      const link = await this.balancer.open(home);
      const { deployment, transports } = way(index);
      const browser = newBrowser(`http://127.0.0.1:${link.port}`, deployment);
      browser.http.defaults.timeout = REQUEST_WITHIN_MS;
      const answer =
        index === 0
          ? await browser.http.post("/v1/auth/signup", { full_name: name, email, password: PASSWORD })
          : await browser.http.post("/v1/auth/login", { email, password: PASSWORD });
      id = (answer.data as { user: { _id: string } }).user._id;
      devices.push(new Device(this, `${name}.${index}`, name, id, browser, link, transports));
    }
    const person = { name, id, devices };
    this.people.set(name, person);
    this.names.set(id, name);
    return person;
  }

  /** Who has a connected device. */
  online(): Set<string> {
    return new Set(this.devices.filter((device) => device.connected).map((device) => device.user));
  }

  /** Looks from outside, through the gateway at `url`, at a person's history with another. */
  async look(url: string, name: string, other: string): Promise<void> {
    const device = this.person(name).devices[0];
    if (!device) throw new Error(`${name} has no device`);
    const browser = newBrowser(url, "same-origin");
    browser.http.defaults.timeout = REQUEST_WITHIN_MS;
    browser.jar.store(`token=${device.token}`);
    this.ledger.reads.push(await readHistory(this, browser, name, other, null));
  }

  leave(): void {
    for (const device of this.devices) device.close();
  }
}

/** How a device reaches the server: where its page came from, and by which transports. */
export interface Way {
  readonly deployment: Deployment;
  readonly transports: ManagerOptions["transports"];
}

export class Device {
  readonly record: Record;
  private socket: Socket | null = null;
  /** The newest list of who is online that this connection was sent. */
  announced: string[] | null = null;
  /** The screen's lineage whose histories are all loaded. */
  private loaded = 0;
  private connectedAt = 0;
  /** Whether it ever gave up for good: a refused connection is not tried again by the client. */
  ended: string | null = null;

  constructor(
    private readonly town: Town,
    readonly name: string,
    readonly user: string,
    private readonly userId: string,
    private readonly browser: Browser,
    private readonly link: Link,
    private readonly transports: ManagerOptions["transports"],
  ) {
    const conversations = town.friendsOf(user).map((friend) => conversationOf(user, friend));
    this.record = town.ledger.addDevice(name, user, conversations);
    this.record.present = false;
  }

  get token(): string {
    return this.browser.jar.get("token") ?? "";
  }

  get connected(): boolean {
    return this.socket?.connected ?? false;
  }

  /** Connected, and showing all its histories. */
  get complete(): boolean {
    return this.connected && this.loaded === this.record.lineage;
  }

  /** For people who read a failure. */
  get condition(): string {
    if (this.ended) return `turned away for good: ${this.ended}`;
    if (!this.connected) return "not connected";
    return this.complete ? "complete" : "its histories are not loaded";
  }

  connect(): void {
    this.record.present = true;
    const socket = openSocket(this.link.port, this.browser, this.userId, this.transports);
    this.socket = socket;
    socket.on("connect", () => this.onConnect(socket));
    socket.on("disconnect", (reason) => {
      this.announced = null;
      // The client does not return by itself from an end that the server wished for.
      if (!socket.active && this.record.present) this.ended = reason;
    });
    socket.on("connect_error", (error) => {
      if (!socket.active && this.record.present) this.ended = error.message;
    });
    socket.on("newMessage", (message: Message) => this.onMessage(message));
    socket.on("getOnlineUsers", (ids: string[]) => {
      this.announced = ids.map((id) => this.town.nameOf(id));
    });
  }

  /** Gone without a goodbye, for good, as a closed laptop. */
  vanish(): void {
    this.record.present = false;
    this.link.cut();
    this.close();
  }

  close(): void {
    this.record.present = false;
    this.socket?.disconnect();
    this.socket = null;
  }

  /**
   * Sends as the page does. With `clientId` it is sent again until it is acknowledged or `giveUp` says so; without, an
   * answer that does not come leaves it unknown.
   */
  async say(text: string, to: string, clientId: string | null, giveUp: () => boolean): Promise<void> {
    const send = this.town.ledger.send(text, conversationOf(this.user, to), this.name, now());
    const payload = { to: this.town.person(to).id, text, image: null, ...(clientId ? { clientId } : {}) };
    for (;;) {
      if (this.connected && (await this.attempt(send, payload))) return;
      if (clientId === null || giveUp() || !this.record.present) {
        send.unknown = send.acks.length === 0 && send.refusals.length < send.attempts;
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
    }
  }

  private async attempt(send: Send, payload: object): Promise<boolean> {
    send.attempts += 1;
    const lineage = this.record.lineage;
    const connectedAt = this.connectedAt;
    try {
      const ack: Ack = await this.socket?.timeout(ACK_WITHIN_MS).emitWithAck("sendMessage", payload);
      if (ack.status === "ok") {
        send.acks.push({ id: (ack.message as Message)._id, at: now(), lineage });
        return true;
      }
      send.refusals.push((ack as Ack & { code?: string }).code ?? ack.status);
    } catch {
      // No answer in time, or the connection ended first: whether it was accepted is not known.
      if (this.connected && this.connectedAt === connectedAt) send.silences += 1;
    }
    return false;
  }

  private onConnect(socket: Socket): void {
    this.connectedAt = Date.now();
    if (socket.recovered) {
      this.town.ledger.recoveredConnections += 1;
    } else {
      this.record.lineage += 1;
      void this.reload(this.record.lineage);
    }
  }

  /** What a page does that comes back to a server which does not know it: reads everything anew, until it has it. */
  private async reload(lineage: number): Promise<void> {
    for (const friend of this.town.friendsOf(this.user)) {
      for (;;) {
        if (this.record.lineage !== lineage || !this.record.present) return;
        const page = { device: this.name, lineage };
        const read = await readHistory(this.town, this.browser, this.user, friend, page).catch(() => null);
        if (read) {
          this.town.ledger.reads.push(read);
          break;
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
      }
    }
    this.loaded = lineage;
  }

  private onMessage(message: Message): void {
    const [from, to] = [this.town.nameOf(message.senderId), this.town.nameOf(message.receiverId)];
    this.town.ledger.receipts.push({
      ...seen(message),
      device: this.name,
      lineage: this.record.lineage,
      conversation: conversationOf(from, to),
      at: now(),
      replayed: Date.parse(message.createdAt) < this.connectedAt,
    });
  }
}

const seen = (message: Message): Seen => ({ id: message._id, text: message.text ?? "" });

/** All of it, oldest first, page by page. */
async function readHistory(
  town: Town,
  browser: Pick<Browser, "http">,
  user: string,
  other: string,
  page: HistoryRead["page"],
): Promise<HistoryRead> {
  const startedAt = now();
  const messages: Seen[] = [];
  for (;;) {
    const before = messages[0] ? `?before=${messages[0].id}` : "";
    const answer = await call(browser, "GET", `/messages/${town.person(other).id}${before}`);
    if (answer.status !== 200)
      throw new Error(`history of ${user} with ${other}: ${answer.status} ${JSON.stringify(answer.data)}`);
    const older = (answer.data as { data: Message[] }).data.map(seen);
    messages.unshift(...older);
    if (older.length === 0)
      return { user, page, conversation: conversationOf(user, other), startedAt, messages };
  }
}

function openSocket(port: number, browser: Browser, userId: string, transports: Way["transports"]): Socket {
  const withCookie = {
    Origin: browser.origin,
    get Cookie() {
      return browser.jar.header() ?? "none=";
    },
  };
  // A page of another origin sends its cookie with the upgrade only.
  const polling = browser.deployment === "same-origin" ? withCookie : { Origin: browser.origin };
  const options: Partial<ManagerOptions & SocketOptions> = {
    forceNew: true,
    query: { userId },
    transports,
    reconnectionDelay: 200,
    reconnectionDelayMax: 2000,
    timeout: 5000,
    transportOptions: { polling: { extraHeaders: polling }, websocket: { extraHeaders: withCookie } },
  };
  return io(`http://127.0.0.1:${port}`, options);
}
