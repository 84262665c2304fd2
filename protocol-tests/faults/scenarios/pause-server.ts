import type { Scenario, Stage } from "../lib/stage.ts";

/** A real server hangs: its connections stay, and nothing answers. */
function pauseServer(server: string, who: (stage: Stage) => Promise<string>): Scenario {
  return {
    name: `pause-${server}`,
    shapes: ["cluster"],
    short: false,
    answers: true,
    fault: async (stage) => {
      const victim = await who(stage);
      await stage.services.pause(victim);
      try {
        stage.shuffle();
        await stage.hold(20_000, 8_000);
      } finally {
        await stage.services.resume(victim);
      }
      await stage.ready();
    },
  };
}

export const pauseKafka = pauseServer("kafka", async () => "kafka");
export const pauseMongoPrimary = pauseServer("mongo-primary", (stage) => stage.services.mongoPrimary());
export const pauseRedis = pauseServer("redis", async () => "redis");
