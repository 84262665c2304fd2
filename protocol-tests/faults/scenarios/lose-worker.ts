import type { Scenario } from "../lib/stage.ts";

/** A worker dies and stays dead until the other one has taken over and stored everything; then it returns. */
export const loseWorker: Scenario = {
  name: "lose-worker",
  shapes: ["cluster"],
  short: false,
  fault: async (stage) => {
    await stage.worker(0).kill();
    stage.shuffle();
    await stage.acked(100);
    await stage.stored();
    await stage.worker(0).start();
  },
};
