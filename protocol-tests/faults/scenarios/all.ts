/** Every scenario, in the order they are run. */
import type { Scenario } from "../lib/stage.ts";
import { cutKafka, cutMongo, cutRedis } from "./cut-network.ts";
import { killEmbedded, killEmbeddedOften, pauseEmbedded, restartEmbedded } from "./embedded.ts";
import { killGateway } from "./kill-gateway.ts";
import { killKafka, killMongoPrimary, killRedis } from "./kill-server.ts";
import { killWorker, plantedCommitBeforeStore } from "./kill-worker.ts";
import { loseWorker } from "./lose-worker.ts";
import { pauseGateway } from "./pause-gateway.ts";
import { pauseKafka, pauseMongoPrimary, pauseRedis } from "./pause-server.ts";
import { pauseWorker } from "./pause-worker.ts";
import { plantedDeliverTwice } from "./planted-deliver-twice.ts";
import { rollGateways } from "./roll-gateways.ts";
import { rollWorkers } from "./roll-workers.ts";

export const scenarios: readonly Scenario[] = [
  killEmbedded,
  killEmbeddedOften,
  pauseEmbedded,
  restartEmbedded,
  killGateway,
  rollGateways,
  pauseGateway,
  killWorker,
  loseWorker,
  rollWorkers,
  pauseWorker,
  killKafka,
  cutKafka,
  pauseKafka,
  killMongoPrimary,
  cutMongo,
  pauseMongoPrimary,
  killRedis,
  cutRedis,
  pauseRedis,
  plantedDeliverTwice,
  plantedCommitBeforeStore,
];
