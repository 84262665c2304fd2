// Plays fault scenarios and says what the ledger has.
//   npm run faults -- [--shape embedded|cluster] [--scenario NAME]... [--short] [--times N] [--seed N] [--keep]
// SOCKEYE_BIN is the server; SOCKEYE_PLANTED_BIN one that was built with bugs to be found. Exit code 0: all as it should be.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Shape } from "./lib/fleet.ts";
import type { Services } from "./lib/services.ts";
import { startServices } from "./lib/services.ts";
import { type Outcome, play, type Scenario } from "./lib/stage.ts";
import { scenarios } from "./scenarios/all.ts";

const FINDINGS_SHOWN = 10;

const { values: options } = parseArgs({
  options: {
    shape: { type: "string", multiple: true },
    scenario: { type: "string", multiple: true },
    short: { type: "boolean", default: false },
    times: { type: "string", default: "1" },
    rate: { type: "string", default: "40" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    keep: { type: "boolean", default: false },
  },
});
const shapes = (options.shape ?? ["embedded", "cluster"]) as Shape[];

const plays = chosen();
let services: Services | null = null;
let failures = 0;
const stopOnSignal = (signal: NodeJS.Signals) => {
  console.error(`${signal}: stopping the servers`);
  // A scenario's own processes are killed at this one's exit.
  void (services?.stop() ?? Promise.resolve()).finally(() => process.exit(130));
};
process.once("SIGINT", stopOnSignal).once("SIGTERM", stopOnSignal);

try {
  if (plays.some(({ shape }) => shape === "cluster")) {
    console.log("starting Kafka, MongoDB (3 members) and Redis");
    services = await startServices();
  }
  for (let round = 0; round < Number(options.times); round += 1) {
    if (Number(options.times) > 1) console.log(`--- round ${round + 1} of ${options.times}`);
    for (const { scenario, shape } of plays) failures += (await one(scenario, shape, round)) ? 0 : 1;
  }
} finally {
  await services?.stop();
}
console.log(failures ? `${failures} of the runs failed` : "all runs as they should be");
process.exit(failures ? 1 : 0);

/** The scenarios asked for, in each shape asked for; it is a mistake to choose none. */
function chosen(): { scenario: Scenario; shape: Shape }[] {
  const unknown =
    options.scenario?.filter((name) => !scenarios.some((scenario) => scenario.name === name)) ?? [];
  if (unknown.length)
    throw new Error(`no such scenario: ${unknown}; there are ${scenarios.map((s) => s.name)}`);
  const wanted = scenarios.filter((scenario) =>
    options.scenario ? options.scenario.includes(scenario.name) : scenario.short || !options.short,
  );
  // A planted bug is looked for where it was planted first: once is enough.
  const found = wanted.flatMap((scenario) => {
    const fitting = scenario.shapes.filter((shape) => shapes.includes(shape));
    return (scenario.planted ? fitting.slice(0, 1) : fitting).map((shape) => ({ scenario, shape }));
  });
  if (found.length === 0) throw new Error("no scenario fits these options");
  for (const { scenario } of found) binaryFor(scenario);
  return found;
}

/** Plays one and prints it; whether it went as it should. */
async function one(scenario: Scenario, shape: Shape, round: number): Promise<boolean> {
  const dir = mkdtempSync(join(tmpdir(), `faults-${scenario.name}-`));
  const seed = Number(options.seed) + round;
  const startedAt = Date.now();
  let ok = false;
  try {
    const binary = binaryFor(scenario);
    const rate = Number(options.rate);
    const rules = { short: options.short, seed, ratePerSecond: rate, binary, shape, services, dir };
    const outcome = await play(scenario, rules);
    const problems = problemsOf(scenario, outcome);
    ok = problems.length === 0;
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    console.log(`${ok ? "ok  " : "FAIL"} ${scenario.name} (${shape}, ${seconds} s, seed ${seed})`);
    console.log(`     ${countsOf(outcome)}`);
    for (const problem of problems) console.log(`     ${problem}`);
  } catch (error) {
    console.log(`FAIL ${scenario.name} (${shape}): ${error instanceof Error ? error.stack : error}`);
  }
  if (ok && !options.keep) rmSync(dir, { recursive: true, force: true });
  else console.log(`     logs: ${dir}`);
  return ok;
}

function binaryFor({ planted, name }: Scenario): string {
  const variable = planted ? "SOCKEYE_PLANTED_BIN" : "SOCKEYE_BIN";
  const binary = process.env[variable];
  if (!binary) throw new Error(`${name} needs ${variable}`);
  return binary;
}

/** What should not be; with a planted bug, that it was not found. */
function problemsOf({ planted }: Scenario, { verdict, complaints }: Outcome): string[] {
  if (planted) {
    return verdict[planted.finds].length
      ? []
      : [`the planted bug ${planted.bug} was not found: nothing ${planted.finds}`, ...complaints];
  }
  const findings = Object.entries(verdict).flatMap(([kind, all]: [string, string[]]) => {
    const more = all.length > FINDINGS_SHOWN ? [`${kind}: and ${all.length - FINDINGS_SHOWN} more`] : [];
    return [...all.slice(0, FINDINGS_SHOWN).map((finding) => `${kind}: ${finding}`), ...more];
  });
  return [...findings, ...complaints];
}

function countsOf({ ledger, verdict, presence, skipped }: Outcome): string {
  const c = ledger.counts();
  return [
    `attempted ${c.attempted} acked ${c.acked} refused ${c.refused} unknown ${c.unknown} silences ${c.silences} retried ${c.retried} skipped ${skipped}`,
    `stored ${c.stored} live ${c.live} replayed ${c.replayed} recovered ${c.recovered} reloaded ${c.reloaded}`,
    `lost ${verdict.lost.length} twice ${verdict.twice.length} misordered ${verdict.misordered.length} stale ${verdict.stale.length}`,
    `presence ${presence.join(", ")}`,
  ].join(" | ");
}
