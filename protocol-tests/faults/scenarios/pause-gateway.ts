import type { Scenario } from "../lib/stage.ts";

/** A gateway hangs, as a machine does that swaps or migrates, and goes on as if nothing had been. */
export const pauseGateway: Scenario = {
  name: "pause-gateway",
  shapes: ["cluster"],
  short: false,
  fault: async (stage) => {
    stage.gateway(0).pause();
    stage.shuffle();
    await stage.hold(20_000, 8_000);
    stage.gateway(0).resume();
    await stage.gateway(0).ready();
  },
};
