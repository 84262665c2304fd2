/** Steady talk between random people, at a given rate, with a seed that can be given again. */
import type { Device, Town } from "./people.ts";

export class Load {
  private readonly pending = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | null = null;
  private said = 0;
  private givingUp = false;
  /** Turns that fell to somebody without a connection. */
  skipped = 0;

  constructor(
    private readonly town: Town,
    private readonly ratePerSecond: number,
    private readonly random: () => number,
  ) {}

  start(): void {
    const startedAt = performance.now();
    let turns = 0;
    this.timer = setInterval(() => {
      const due = ((performance.now() - startedAt) * this.ratePerSecond) / 1000;
      for (; turns < due; turns += 1) this.turn();
    }, 1000 / this.ratePerSecond);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  get waiting(): number {
    return this.pending.size;
  }

  /** Those that are still retried are given up at their next failure. */
  giveUp(): void {
    this.givingUp = true;
  }

  /** Every end of every conversation whose people are here says one more thing, which must be acknowledged. */
  lastWords(): void {
    for (const [a, b] of this.town.pairs) {
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        const device = this.town.person(from).devices.find((one) => one.connected);
        if (device) this.say(device, to, true);
      }
    }
  }

  private turn(): void {
    // A quarter of the talk is in one conversation.
    const { pairs } = this.town;
    const pair = this.random() < 0.25 ? pairs[0] : pairs[Math.floor(this.random() * pairs.length)];
    if (!pair) throw new Error("nobody talks with anybody");
    const [from, to] = this.random() < 0.5 ? pair : [pair[1], pair[0]];
    const devices = this.town.person(from).devices.filter((device) => device.connected);
    const device = devices[Math.floor(this.random() * devices.length)];
    const withId = this.random() < 0.5;
    if (device) this.say(device, to, withId);
    else this.skipped += 1;
  }

  private say(device: Device, to: string, withId: boolean): void {
    this.said += 1;
    const text = `${this.said}: ${device.name} to ${to}`;
    const saying = device
      .say(text, to, withId ? `client-${text}` : null, () => this.givingUp)
      .finally(() => this.pending.delete(saying));
    this.pending.add(saying);
  }
}

/** Mulberry32: small, and good enough to choose who talks. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
