import type { Scenario } from "../lib/stage.ts";

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
};

async function killMidBatch(stage: Parameters<Scenario["fault"]>[0]): Promise<void> {
  // Workers that have no share of the log yet would not be in the middle of anything.
  await stage.acked(20);
  await stage.stored();
  stage.wires.mongoOfWorkers.silence();
  stage.shuffle();
  await stage.acked(100);
  await stage.hold(5_000, 2_000);
  await Promise.all(stage.fleet.workers.map((worker) => worker.kill()));
  stage.wires.mongoOfWorkers.cut();
  stage.wires.mongoOfWorkers.heal();
  await Promise.all(stage.fleet.workers.map((worker) => worker.start()));
}
