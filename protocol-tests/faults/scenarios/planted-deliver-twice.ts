import type { Scenario } from "../lib/stage.ts";

/** No fault but the bug: the server dispatches what it has dispatched already. */
export const plantedDeliverTwice: Scenario = {
  name: "planted-deliver-twice",
  shapes: ["cluster", "embedded"],
  short: true,
  planted: { bug: "deliver-twice", finds: "twice" },
  fault: async (stage) => {
    stage.shuffle();
    await stage.acked(40);
  },
};
