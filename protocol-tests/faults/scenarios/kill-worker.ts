import type { Scenario, Stage } from "../lib/stage.ts";

/** Both workers die in the middle of a batch: they have read it, and MongoDB does not answer them. */
export const killWorker: Scenario = {
  name: "kill-worker",
  shapes: ["cluster"],
  short: true,
  mongo: "wired",
  fault: killMidBatch,
};

/** The same with workers that commit what they have read, not what is stored. */
export const plantedCommitBeforeStore: Scenario = {
  ...killWorker,
  name: "planted-commit-before-store",
  planted: { bug: "commit-before-store", finds: "lost" },
  // A batch that MongoDB had got when it fell silent is stored: now and then that is so of both workers.
  fault: async (stage) => {
    await killMidBatch(stage);
    for (const _again of [2, 3]) {
      await stage.ready();
      await stage.acked(100);
      await killWhileSilent(stage);
    }
  },
};

async function killMidBatch(stage: Stage): Promise<void> {
  // Workers that have no share of the log yet would not be in the middle of anything.
  await stage.acked(20);
  await stage.stored();
  stage.shuffle();
  await killWhileSilent(stage);
}

async function killWhileSilent(stage: Stage): Promise<void> {
  stage.wires.mongoOfWorkers.silence();
  await stage.acked(100);
  await stage.hold(5_000, 2_000);
  await Promise.all(stage.fleet.workers.map((worker) => worker.kill()));
  stage.wires.mongoOfWorkers.cut();
  stage.wires.mongoOfWorkers.heal();
  await Promise.all(stage.fleet.workers.map((worker) => worker.start()));
}
