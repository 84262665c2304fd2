import type { Scenario } from "../lib/stage.ts";

/** A deployment: each gateway in turn is drained, ends, and is started again. */
export const rollGateways: Scenario = {
  name: "roll-gateways",
  shapes: ["cluster"],
  short: false,
  fault: async (stage) => {
    for (const gateway of stage.fleet.gateways) {
      await gateway.terminate();
      if (gateway === stage.gateway(0)) stage.shuffle();
      await gateway.start();
      await stage.acked(40);
    }
  },
};
