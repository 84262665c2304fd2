/** What a scenario may do, and how one is played from the fleet's start to the verdict. */

import type { Process } from "../../lib/process.ts";
import { eventually } from "../../lib/wait.ts";
import { elapse } from "../../lib/within.ts";
import { Balancer } from "./balancer.ts";
import { type Fleet, type FleetPlan, type Shape, startFleet, type Wires } from "./fleet.ts";
import { Ledger, presenceDifference, type Verdict } from "./ledger.ts";
import { Load, randomFrom } from "./load.ts";
import { type Device, Town, type Way } from "./people.ts";
import type { Services } from "./services.ts";

/** G6: who is online is right again within this. */
const PRESENCE_WITHIN_MS = 15_000;
const CONNECTED_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 500;
const TALKERS = 8;

export interface Scenario {
  /** What is done to whom: `kill-gateway`. */
  readonly name: string;
  readonly shapes: readonly Shape[];
  /** Part of the short run. */
  readonly short: boolean;
  readonly mongo?: FleetPlan["mongo"];
  /** The gateways run and are reached all the time: whatever is away behind them, they answer, if only to refuse. */
  readonly answers?: boolean;
  /**
   * The bug in `SOCKEYE_PLANTED_BIN` (given as `SOCKEYE_PLANTED_BUG`) that this scenario must find, and where.
   */
  readonly planted?: { readonly bug: string; readonly finds: keyof Verdict };
  /** Breaks something under load and mends it. Returns when all servers and processes run again. */
  readonly fault: (stage: Stage) => Promise<void>;
}

export interface Stage {
  readonly fleet: Fleet;
  readonly wires: Wires;
  readonly services: Services;
  gateway(index: number): Process;
  worker(index: number): Process;
  /** One goes without a goodbye and one comes: what presence has to find out by itself. To be called in the fault. */
  shuffle(): void;
  /** Lets a fault last: so long in a full run, so long in a short one. */
  hold(fullMs: number, shortMs: number): Promise<void>;
  /** Until every process says that it is ready. */
  ready(): Promise<void>;
  /** Until everybody who is not gone is connected and has their histories on the screen. */
  connected(): Promise<void>;
  /** Until so many more sends were acknowledged. */
  acked(more: number): Promise<void>;
  /** Until every acknowledged message can be read, at both ends. */
  stored(): Promise<void>;
  /** Fails unless who is online is announced rightly to everybody in time, counted from `since` (default: now). */
  presence(when: string, since?: number): Promise<void>;
}

export interface Rules {
  readonly short: boolean;
  readonly seed: number;
  readonly ratePerSecond: number;
  readonly binary: string;
  readonly shape: Shape;
  readonly services: Services | null;
  readonly dir: string;
}

export interface Outcome {
  readonly ledger: Ledger;
  readonly verdict: Verdict;
  /** Whatever else was not right: a presence, a panic, an unclean end. */
  readonly complaints: string[];
  readonly presence: string[];
  readonly skipped: number;
}

export async function play(scenario: Scenario, rules: Rules): Promise<Outcome> {
  const fleet = await startFleet({
    binary: rules.binary,
    shape: rules.shape,
    services: rules.services,
    mongo: scenario.mongo ?? "set",
    gateways: 2,
    workers: 2,
    env: scenario.planted ? { SOCKEYE_PLANTED_BUG: scenario.planted.bug } : {},
    dir: rules.dir,
  });
  const show = new Show(fleet, rules, scenario);
  let verdict: Verdict;
  try {
    await show.begin();
    await scenario.fault(show);
    await show.end();
  } catch (error) {
    show.complaints.push(error instanceof Error ? error.message : String(error));
  } finally {
    // Before everybody leaves: of who has left no complete screen is asked.
    verdict = show.ledger.judge();
    await show.close();
    show.complaints.push(...(await fleet.stop()));
  }
  const { ledger, complaints, presences, load } = show;
  return { ledger, verdict, complaints, presence: presences, skipped: load.skipped };
}

class Show implements Stage {
  readonly ledger = new Ledger();
  readonly complaints: string[] = [];
  readonly presences: string[] = [];
  readonly load: Load;
  private readonly town: Town;
  private readonly balancer: Balancer;
  private looks = 0;

  constructor(
    readonly fleet: Fleet,
    private readonly rules: Rules,
    private readonly scenario: Scenario,
  ) {
    this.balancer = new Balancer(fleet.gateways);
    const names = Array.from({ length: TALKERS }, (_, index) => `p${index}`);
    const ring = names.map((name, index) => [name, names[(index + 1) % TALKERS] ?? name] as const);
    const pairs = [...ring, ["p0", "leaver"] as const, ["p1", "joiner"] as const];
    this.town = new Town(this.ledger, this.balancer, pairs);
    this.load = new Load(this.town, rules.ratePerSecond, randomFrom(rules.seed));
  }

  get wires(): Wires {
    if (!this.fleet.wires) throw new Error("this shape has no wires");
    return this.fleet.wires;
  }

  get services(): Services {
    if (!this.fleet.services) throw new Error("this shape has no servers behind it");
    return this.fleet.services;
  }

  gateway(index: number): Process {
    return found(this.fleet.gateways[index], `gateway ${index}`);
  }

  worker(index: number): Process {
    return found(this.fleet.workers[index], `worker ${index}`);
  }

  hold(fullMs: number, shortMs: number): Promise<void> {
    return elapse(this.rules.short ? shortMs : fullMs);
  }

  async ready(): Promise<void> {
    await Promise.all([...this.fleet.gateways, ...this.fleet.workers].map((one) => one.ready()));
  }

  async acked(more: number): Promise<void> {
    const target = this.ledger.acked().length + more;
    await eventually(`${more} more acknowledgements`, () => this.ledger.acked().length >= target, 120_000);
  }

  async stored(): Promise<void> {
    const acked = this.ledger.acked();
    await eventually(
      `${acked.length} acknowledged messages stored`,
      spaced(async () => {
        if (!(await this.lookEverywhere())) return false;
        const ids = new Set(
          [...this.ledger.final().values()].flat().flatMap((read) => read.messages.map((m) => m.id)),
        );
        return acked.every((send) => send.acks.every((ack) => ids.has(ack.id)));
      }),
      120_000,
    );
  }

  /** Everybody but the joiner is connected and talks. */
  async begin(): Promise<void> {
    for (let index = 0; index < TALKERS; index += 1) {
      const homes = index < TALKERS / 2 ? [index, index + 1] : [index];
      await this.town.settle(
        `p${index}`,
        homes,
        (device) => WAYS[(index + device) % WAYS.length] ?? SOCKET_ONLY,
      );
    }
    // On the first gateway, which is the one that things happen to.
    await this.town.settle("leaver", [0], () => SOCKET_ONLY);
    await this.town.settle("joiner", [1], () => SOCKET_ONLY);
    for (const device of this.town.devices) if (device.user !== "joiner") device.connect();
    await this.connected();
    await this.presence("at the start");
    this.load.start();
    await this.acked(2 * this.rules.ratePerSecond);
  }

  shuffle(): void {
    for (const device of this.town.person("leaver").devices) device.vanish();
    for (const device of this.town.person("joiner").devices) device.connect();
  }

  /** All is mended: until everybody has everything, or it is clear that they will not. */
  async end(): Promise<void> {
    // Who does not return is a finding; the others' messages are judged all the same.
    await this.connected().catch((error: Error) => this.complaints.push(error.message));
    await this.presence("after healing");
    await this.hold(10_000, 2_000);
    this.load.stop();
    const settleMs = this.scenario.planted ? 20_000 : 90_000;
    await this.answered(settleMs);
    // Each conversation's last words come after everything before them: who has them will get nothing older.
    for (const _round of [1, 2]) {
      this.load.lastWords();
      await this.answered(settleMs);
    }
    const complete = async () => (await this.lookEverywhere()) && this.ledger.judge().lost.length === 0;
    // When it never is, the verdict says what is missing.
    await eventually("everything acknowledged is everywhere", spaced(complete), settleMs).catch(
      () => undefined,
    );
    for (const device of this.town.devices)
      if (device.ended) this.complaints.push(`${device.name} was turned away for good: ${device.ended}`);
    const refusals = new Set([...this.ledger.sends.values()].flatMap((send) => send.refusals));
    refusals.delete("unavailable");
    const { silences } = this.ledger.counts();
    if (this.scenario.answers && silences)
      this.complaints.push(`${silences} sends got no answer on a connection that stayed`);
    if (refusals.size) this.complaints.push(`refused for another reason than unavailable: ${[...refusals]}`);
  }

  async presence(when: string, since = performance.now()): Promise<void> {
    const wrong = () =>
      this.here().flatMap((device) => {
        const difference = presenceDifference(this.town.online(), device.announced ?? []);
        return difference.length ? [`${device.name} sees ${difference.join(" ")}`] : [];
      });
    try {
      await eventually(
        "presence",
        () => wrong().length === 0,
        PRESENCE_WITHIN_MS - (performance.now() - since),
      );
      this.presences.push(`${when} ${((performance.now() - since) / 1000).toFixed(1)} s`);
    } catch {
      this.presences.push(`${when} WRONG`);
      this.complaints.push(`presence ${when}: after ${PRESENCE_WITHIN_MS} ms ${wrong().join(", ")}`);
    }
  }

  async close(): Promise<void> {
    this.load.stop();
    this.load.giveUp();
    this.town.leave();
    await this.balancer.close();
  }

  /** Until every send is answered; those that are still tried again after `ms` are given up. */
  private async answered(ms: number): Promise<void> {
    const none = () => this.load.waiting === 0;
    await eventually("every send answered", none, ms).catch(() => {
      this.complaints.push(`${this.load.waiting} sends were not answered within ${ms} ms of healing`);
      this.load.giveUp();
    });
    await eventually("every send given up", none);
  }

  private here(): Device[] {
    return this.town.devices.filter((device) => device.record.present);
  }

  async connected(): Promise<void> {
    const missing = () => this.here().filter((device) => !device.complete);
    await eventually("everybody connected", () => missing().length === 0, CONNECTED_WITHIN_MS).catch(() => {
      const names = missing().map((device) => `${device.name} (${device.condition})`);
      throw new Error(`after ${CONNECTED_WITHIN_MS} ms not there: ${names.join(", ")}`);
    });
  }

  /** Every conversation from both ends, each time through another gateway. False when one could not be read. */
  private async lookEverywhere(): Promise<boolean> {
    this.looks += 1;
    try {
      for (const [index, [a, b]] of this.town.pairs.entries()) {
        const url = (end: number) =>
          this.gateway((this.looks + index + end) % this.fleet.gateways.length).url;
        await this.town.look(url(0), a, b);
        await this.town.look(url(1), b, a);
      }
      return true;
    } catch {
      return false;
    }
  }
}

const SOCKET_ONLY: Way = { deployment: "same-origin", transports: ["websocket"] };
const WAYS: readonly Way[] = [
  { deployment: "same-origin", transports: ["polling", "websocket"] },
  SOCKET_ONLY,
  { deployment: "cross-origin", transports: ["polling", "websocket"] },
  { deployment: "cross-origin", transports: ["websocket"] },
];

/** A probe that asks servers: not as often as `eventually` would, they have work to do. */
function spaced(probe: () => Promise<boolean>): () => Promise<boolean> {
  return async () => {
    if (await probe()) return true;
    await elapse(LOOK_EVERY_MS);
    return false;
  };
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`there is no ${what}`);
  return value;
}
