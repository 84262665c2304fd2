import type { Scenario } from "../lib/stage.ts";

/** A gateway dies and stays dead for a while: its people go to the other one, and who left with it is no ghost. */
export const killGateway: Scenario = {
  name: "kill-gateway",
  shapes: ["cluster"],
  short: true,
  fault: async (stage) => {
    await stage.gateway(0).kill();
    const diedAt = performance.now();
    stage.shuffle();
    await stage.connected();
    await stage.presence("with a gateway dead", diedAt);
    await stage.hold(10_000, 0);
    await stage.gateway(0).start();
  },
};
