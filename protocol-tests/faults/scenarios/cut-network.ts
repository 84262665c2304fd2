import type { Wires } from "../lib/fleet.ts";
import type { Scenario } from "../lib/stage.ts";

/** The network to a server goes: half of the time nothing answers, then every connection is reset and refused. */
function cutNetwork(server: string, wires: readonly (keyof Wires)[], short: boolean): Scenario {
  return {
    name: `cut-${server}`,
    shapes: ["cluster"],
    short,
    answers: true,
    mongo: "wired",
    fault: async (stage) => {
      for (const wire of wires) stage.wires[wire].silence();
      stage.shuffle();
      await stage.hold(15_000, 4_000);
      for (const wire of wires) stage.wires[wire].cut();
      await stage.hold(15_000, 4_000);
      for (const wire of wires) stage.wires[wire].heal();
      await stage.ready();
    },
  };
}

export const cutKafka = cutNetwork("kafka", ["kafka"], false);
export const cutMongo = cutNetwork("mongo", ["mongoOfGateways", "mongoOfWorkers"], false);
export const cutRedis = cutNetwork("redis", ["redis"], true);
