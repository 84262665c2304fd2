import type { Scenario } from "../lib/stage.ts";

/** A worker hangs longer than its group waits for it, and wakes with positions that are no longer its own. */
export const pauseWorker: Scenario = {
  name: "pause-worker",
  shapes: ["cluster"],
  short: false,
  fault: async (stage) => {
    stage.worker(0).pause();
    stage.shuffle();
    await stage.hold(20_000, 8_000);
    stage.worker(0).resume();
    await stage.worker(0).ready();
  },
};
