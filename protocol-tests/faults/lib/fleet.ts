/** The server under test in its two shapes: one embedded process, or gateways and workers over the real servers. */
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { JWT_SECRET } from "../../contracts/lib/server.ts";
import { inDatabase, prepareCluster, startCluster } from "../../lib/cluster.ts";
import { freePort } from "../../lib/free-port.ts";
import { Link } from "../../lib/link.ts";
import { Process } from "../../lib/process.ts";
import type { Services } from "./services.ts";

export type Shape = "embedded" | "cluster";

/** The wires to the real servers. Gateways and workers have one each to MongoDB, when it is reached through wires. */
export interface Wires {
  readonly kafka: Link;
  readonly redis: Link;
  readonly mongoOfGateways: Link;
  readonly mongoOfWorkers: Link;
}

export interface Fleet {
  readonly shape: Shape;
  /** In the embedded shape the one process. */
  readonly gateways: readonly Process[];
  readonly workers: readonly Process[];
  readonly wires: Wires | null;
  readonly services: Services | null;
  /** Whatever the state: everything ends, and what the processes did wrong is told. */
  stop(): Promise<string[]>;
}

export interface FleetPlan {
  readonly binary: string;
  readonly shape: Shape;
  readonly services: Services | null;
  /**
   * `set`: the drivers know all members of the replica set. `wired`: they know its primary only, through a wire that can
   * be cut (a driver that knows the set would go around it).
   */
  readonly mongo: "set" | "wired";
  readonly gateways: number;
  readonly workers: number;
  readonly env: Readonly<Record<string, string>>;
  /** Logs and data; the caller removes it. */
  readonly dir: string;
}

export async function startFleet(plan: FleetPlan): Promise<Fleet> {
  return plan.shape === "embedded" ? embeddedFleet(plan) : clusterFleet(plan);
}

const COMMON = {
  NODE_ENV: "development",
  SOCKEYE_CONTRACT: "direct-v1",
  SOCKEYE_HOST: "127.0.0.1",
  SOCKEYE_LOG: "info",
  SOCKEYE_LOG_FORMAT: "json",
  SALT_ROUNDS: "4",
  JWT_SECRET,
  // No limit is met by accident: everybody comes from one address.
  SOCKEYE_LIMIT_SIGN_IN: "off",
  SOCKEYE_LIMIT_SIGN_UP: "off",
  SOCKEYE_LIMIT_USER_EVENTS: "off",
  SOCKEYE_LIMIT_SOCKETS_PER_USER: "100000",
  SOCKEYE_LIMIT_REQUESTS: "off",
  SOCKEYE_LIMIT_CONNECTIONS_PER_ADDRESS: "100000",
};

async function embeddedFleet(plan: FleetPlan): Promise<Fleet> {
  const port = await freePort();
  const data = mkdtempSync(join(plan.dir, "data-"));
  const env = { ...COMMON, SERVER_PORT: String(port), SOCKEYE_DATA_DIR: data, ...plan.env };
  const server = new Process({ name: "server", binary: plan.binary, args: [], env, port, logDir: plan.dir });
  const fleet: Fleet = {
    shape: "embedded",
    gateways: [server],
    workers: [],
    wires: null,
    services: null,
    stop: async () => {
      await server.stop();
      await rm(data, { recursive: true, force: true });
      return server.complaints;
    },
  };
  await orStop(fleet, () => server.start());
  return fleet;
}

async function clusterFleet(plan: FleetPlan): Promise<Fleet> {
  const { services } = plan;
  if (services === null) throw new Error("the cluster needs the real servers");
  const id = `faults-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const wires = await layWires(services);
  const wired = (link: Link) => `mongodb://127.0.0.1:${link.port}/${id}?directConnection=true`;
  const prepared = await prepareCluster({
    binary: plan.binary,
    id,
    kafkaBrokers: `127.0.0.1:${wires.kafka.port}`,
    redisUrl: `redis://127.0.0.1:${wires.redis.port}`,
    mongoUri: (role) => {
      if (plan.mongo === "set") return inDatabase(services.mongoUri, id);
      return wired(role === "work" ? wires.mongoOfWorkers : wires.mongoOfGateways);
    },
    gateways: plan.gateways,
    workers: plan.workers,
    env: () => ({ ...COMMON, ...plan.env }),
    dir: plan.dir,
  });
  const { migration, gateways, workers } = prepared;
  const processes = [migration, ...gateways, ...workers];
  const fleet: Fleet = {
    shape: "cluster",
    gateways,
    workers,
    wires,
    services,
    stop: async () => {
      for (const wire of Object.values(wires) as Link[]) wire.heal();
      await Promise.all(processes.map((one) => one.stop()));
      await Promise.all((Object.values(wires) as Link[]).map((wire) => wire.close()));
      return processes.flatMap((one) => one.complaints);
    },
  };
  await orStop(fleet, () => startCluster(prepared));
  return fleet;
}

/** To where the primary is now; a scenario that moves it does not use the wires to MongoDB. */
async function layWires(services: Services): Promise<Wires> {
  const primary = services.mongoAddress(await services.mongoPrimary());
  return {
    kafka: await Link.listen(() => [services.kafka.bind], services.kafka.proxy.port),
    redis: await Link.listen(() => [services.redis]),
    mongoOfGateways: await Link.listen(() => [primary]),
    mongoOfWorkers: await Link.listen(() => [primary]),
  };
}

async function orStop(fleet: Fleet, start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    const complaints = await fleet.stop();
    throw new Error(`the fleet did not start: ${[error, ...complaints].join("; ")}`, { cause: error });
  }
}
