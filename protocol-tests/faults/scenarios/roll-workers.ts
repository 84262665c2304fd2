import type { Scenario } from "../lib/stage.ts";

/** A deployment: each worker in turn ends, and is started again. */
export const rollWorkers: Scenario = {
  name: "roll-workers",
  shapes: ["cluster"],
  short: false,
  fault: async (stage) => {
    stage.shuffle();
    for (const worker of stage.fleet.workers) {
      await worker.terminate();
      await worker.start();
      await stage.acked(40);
    }
  },
};
