import type { Scenario, Stage } from "../lib/stage.ts";

/** kill -9 of a real server, which returns on its old data. */
function killServer(server: string, who: (stage: Stage) => Promise<string>, short: boolean): Scenario {
  return {
    name: `kill-${server}`,
    shapes: ["cluster"],
    short,
    answers: true,
    fault: async (stage) => {
      const victim = await who(stage);
      await stage.services.kill(victim);
      stage.shuffle();
      await stage.hold(15_000, 4_000);
      await stage.services.restart(victim);
      await stage.ready();
    },
  };
}

export const killKafka = killServer("kafka", async () => "kafka", true);
/** The others elect a new one meanwhile. */
export const killMongoPrimary = killServer("mongo-primary", (stage) => stage.services.mongoPrimary(), false);
export const killRedis = killServer("redis", async () => "redis", false);
