// Client libraries of other languages: a program tells, a JSON line each, which behaviour it has shown.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { behaviours, modes, nameOf } from "../clients/behaviours.ts";
import { relayTo } from "./proxy.ts";
import { socketIoOrigin } from "./target.ts";

export interface Program {
  command: string;
  args: string[];
}

/** What a line may say: a result, or a wish about the relay its connections go through. */
type Line =
  | { test: string; error: string | null }
  | { test: string; skip: string }
  | { relay: "cut" | "restore" };

/**
 * One test per behaviour, each with what the program said of it. The program is started as
 * `command ...args <origin> <origin through a relay>` and must report every behaviour in every mode.
 */
export function foreignClient(library: string, prepare: () => Promise<Program>): void {
  test(library, async (t) => {
    const { command, args } = await prepare();
    const relay = await relayTo(t, socketIoOrigin);
    const child = spawn(command, [...args, socketIoOrigin, relay.origin], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => child.kill());
    const exit = new Promise<number | null>((resolve, reject) => {
      child.once("exit", resolve);
      child.once("error", reject);
    });
    const missing = new Set(modes.flatMap((mode) => behaviours.map((behaviour) => nameOf(mode, behaviour))));
    for await (const text of createInterface({ input: child.stdout })) {
      const line = JSON.parse(text) as Line;
      if ("relay" in line) relay[line.relay]();
      else {
        assert.ok(missing.delete(line.test), `${line.test}: not a behaviour, or reported twice`);
        await report(t, line);
      }
    }
    assert.equal(await exit, 0, `${library} ended with a failure`);
    assert.deepEqual([...missing], [], "not reported");
  });
}

function report(t: TestContext, line: Exclude<Line, { relay: string }>): Promise<void> {
  const options = "skip" in line ? { skip: line.skip } : {};
  return t.test(line.test, options, () => {
    if ("error" in line && line.error !== null) assert.fail(line.error);
  });
}
