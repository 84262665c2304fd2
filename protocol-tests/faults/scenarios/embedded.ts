/** The one process with everything in it. */
import type { Scenario } from "../lib/stage.ts";

export const killEmbedded: Scenario = {
  name: "kill-embedded",
  shapes: ["embedded"],
  short: true,
  fault: async (stage) => {
    await stage.gateway(0).kill();
    stage.shuffle();
    await stage.gateway(0).start();
  },
};

/** Killed again and again, also in the middle of what it does after a start. */
export const killEmbeddedOften: Scenario = {
  name: "kill-embedded-often",
  shapes: ["embedded"],
  short: false,
  fault: async (stage) => {
    stage.shuffle();
    for (let round = 0; round < 5; round += 1) {
      await stage.gateway(0).kill();
      await stage.gateway(0).start();
      await stage.acked(round * 20 + 1);
    }
  },
};

export const pauseEmbedded: Scenario = {
  name: "pause-embedded",
  shapes: ["embedded"],
  short: false,
  fault: async (stage) => {
    stage.gateway(0).pause();
    stage.shuffle();
    await stage.hold(20_000, 8_000);
    stage.gateway(0).resume();
    await stage.gateway(0).ready();
  },
};

export const restartEmbedded: Scenario = {
  name: "restart-embedded",
  shapes: ["embedded"],
  short: false,
  fault: async (stage) => {
    await stage.gateway(0).terminate();
    stage.shuffle();
    await stage.gateway(0).start();
  },
};
