/** Gateways and workers over real servers, with a topic, group, database and Redis prefix of their own. */
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { Process } from "./process.ts";

type Role = "migrate" | "serve" | "work";

export interface ClusterPlan {
  readonly binary: string;
  /** Names the topic, the group, the database and the prefix. */
  readonly id: string;
  readonly kafkaBrokers: string;
  readonly redisUrl: string;
  /** With the database in it; gateways and workers may be led by different wires. */
  mongoUri(role: Role): string;
  readonly gateways: number;
  readonly workers: number;
  /** For every process, given the gateways' addresses; more important than what is set here. */
  env(gatewayUrls: readonly string[]): Readonly<Record<string, string>>;
  /** Logs and data; the caller removes it. */
  readonly dir: string;
  /** Whether the logs go to our standard error as well. */
  readonly show?: boolean;
}

export interface Cluster {
  /** Runs to its end before the others start. */
  readonly migration: Process;
  readonly gateways: readonly Process[];
  readonly workers: readonly Process[];
}

/** Not migrated and not started yet: `startCluster` does that. */
export async function prepareCluster(plan: ClusterPlan): Promise<Cluster> {
  const media = join(plan.dir, "media");
  mkdirSync(media, { recursive: true });
  const [migrationPort = 0, ...ports] = await Promise.all(
    Array.from({ length: 1 + plan.gateways + plan.workers }, freePort),
  );
  const gatewayPorts = ports.slice(0, plan.gateways);
  const own = plan.env(gatewayPorts.map((port) => `http://127.0.0.1:${port}`));
  const prepare = (role: Role, name: string, port: number): Process => {
    const data = join(plan.dir, `data-${name}`);
    mkdirSync(data);
    // As a volume that all nodes mount.
    symlinkSync(media, join(data, "media"));
    const env = {
      KAFKA_BROKERS: plan.kafkaBrokers,
      KAFKA_TOPIC: plan.id,
      KAFKA_GROUP: plan.id,
      REDIS_URL: plan.redisUrl,
      SOCKEYE_REDIS_PREFIX: plan.id,
      MONGODB_URI: plan.mongoUri(role),
      SOCKEYE_NODE_NAME: `${plan.id}-${name}`,
      SOCKEYE_DATA_DIR: data,
      ...(role === "work"
        ? { SOCKEYE_OPS_PORT: String(port) }
        : { SERVER_PORT: String(port), SOCKEYE_OPS_PORT: "0" }),
      ...own,
    };
    const { binary, dir, show = false } = plan;
    return new Process({ name, binary, args: [role], env, port, logDir: dir, show });
  };
  return {
    migration: prepare("migrate", "migrate", migrationPort),
    gateways: gatewayPorts.map((port, index) => prepare("serve", `gateway-${index}`, port)),
    workers: ports.slice(plan.gateways).map((port, index) => prepare("work", `worker-${index}`, port)),
  };
}

export async function startCluster({ migration, gateways, workers }: Cluster): Promise<void> {
  await migration.runToEnd();
  await Promise.all([...gateways, ...workers].map((one) => one.start()));
}

/** The replica set's address with a database in it. */
export function inDatabase(mongoUri: string, name: string): string {
  return mongoUri.replace(/\/(\?|$)/, `/${name}$1`);
}
