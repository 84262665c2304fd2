/** Starts, kills and restarts the server under test: the binary named by SOCKEYE_BIN, or a running one at SOCKEYE_URL. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inDatabase, prepareCluster } from "../../lib/cluster.ts";
import { freePort } from "../../lib/free-port.ts";
import { Process } from "../../lib/process.ts";
import { realServers } from "../../lib/real-servers.ts";
import { must } from "../../lib/wait.ts";

export type Contract = "direct" | "direct-v1";

/** The origin the original frontends are developed on; allowed by default. */
export const PAGE_ORIGIN = "http://localhost:5173";

/** Signs tokens in tests that need one the server did not issue (expired, of nobody, ...). */
export const JWT_SECRET = "Wq7tB3nXk9Lr2Vd8Hs5Jm1Yc6Pf4Gz0Ta-contracts";

/** Names of settings that tests change, in one place. */
export const SETTING = {
  signIn: "SOCKEYE_LIMIT_SIGN_IN",
  historyMax: "SOCKEYE_HISTORY_LEN_MAX",
} as const;

const COMMON: Record<string, string> = {
  NODE_ENV: "development",
  SOCKEYE_HOST: "127.0.0.1",
  SALT_ROUNDS: "4",
  JWT_SECRET,
  // No limit is met by accident: all tests come from one address.
  [SETTING.signIn]: "off",
  SOCKEYE_LIMIT_REQUESTS: "off",
  SOCKEYE_LIMIT_EVENTS: "off",
  SOCKEYE_LIMIT_USER_EVENTS: "off",
  SOCKEYE_LIMIT_SIGN_UP: "off",
  SOCKEYE_LIMIT_SOCKETS_PER_USER: "100000",
  SOCKEYE_LIMIT_CONNECTIONS_PER_ADDRESS: "100000",
};

/** What a server that faces the internet is told, but for its readiness, which these tests read where clients are served. */
export const IN_PRODUCTION: Record<string, string> = {
  NODE_ENV: "production",
  CORS_ORIGINS: PAGE_ORIGIN,
  SOCKEYE_METRICS_PUBLIC: "on",
};

export interface Server {
  readonly contract: Contract;
  /** Of the first gateway: `http://127.0.0.1:<port>`, no slash at the end. */
  readonly url: string;
  /** All gateways' addresses, for a client that comes: the next one first, so that clients are spread over them. */
  entrances(): string[];
  /** Whether this run may kill and restart it (not with SOCKEYE_URL). */
  readonly ours: boolean;
  /** SIGKILL to all of it, as a crash. */
  kill(): Promise<void>;
  /** SIGTERM, as a deployment; fails if it does not end cleanly. */
  terminate(): Promise<void>;
  /** Starts again on the same ports and data. */
  start(): Promise<void>;
  /** SIGTERM; fails if something had died before or does not end cleanly. Removes the data. */
  stop(): Promise<void>;
}

/** One process with everything in it, or two gateways and a worker over Kafka, MongoDB and Redis. */
export type Shape = "embedded" | "cluster";
export const SHAPE: Shape = process.env.SOCKEYE_TEST_SHAPE === "cluster" ? "cluster" : "embedded";

export async function startServer(contract: Contract, env: Record<string, string> = {}): Promise<Server> {
  const external = process.env.SOCKEYE_URL;
  if (external && (process.env.SOCKEYE_CONTRACT ?? "direct") === contract && !Object.keys(env).length) {
    return externalServer(contract, external.replace(/\/$/, ""));
  }
  const dir = await mkdtemp(join(tmpdir(), "contract-"));
  const settings = { ...COMMON, SOCKEYE_CONTRACT: contract, ...env };
  const server = new OwnServer(
    contract,
    dir,
    SHAPE === "cluster" ? await newCluster(dir, settings) : await embedded(dir, settings),
  );
  await server.begin();
  return server;
}

/** What a server of our own is made of. */
interface Parts {
  /** Runs to its end before the others start, once. */
  readonly migration: Process | null;
  readonly gateways: readonly Process[];
  readonly workers: readonly Process[];
}

class OwnServer implements Server {
  readonly ours = true;
  readonly url: string;
  private clients = 0;

  constructor(
    readonly contract: Contract,
    private readonly dir: string,
    private readonly parts: Parts,
  ) {
    this.url = must(parts.gateways[0], "a gateway").url;
  }

  entrances(): string[] {
    const urls = this.parts.gateways.map((gateway) => gateway.url);
    const first = this.clients % urls.length;
    this.clients += 1;
    return [...urls.slice(first), ...urls.slice(0, first)];
  }

  async begin(): Promise<void> {
    try {
      await this.parts.migration?.runToEnd();
      await this.start();
    } catch (error) {
      await this.stop().catch(() => undefined);
      throw error;
    }
  }

  async start(): Promise<void> {
    await this.all((one) => one.start());
  }

  async kill(): Promise<void> {
    await this.all((one) => one.kill());
  }

  async terminate(): Promise<void> {
    await this.all((one) => one.terminate());
    this.judge();
  }

  async stop(): Promise<void> {
    await this.all((one) => one.stop());
    this.judge();
    await rm(this.dir, { recursive: true, force: true });
  }

  private async all(action: (one: Process) => Promise<void>): Promise<void> {
    await Promise.all([...this.parts.gateways, ...this.parts.workers].map(action));
  }

  private judge(): void {
    const { migration, gateways, workers } = this.parts;
    const processes = [...(migration ? [migration] : []), ...gateways, ...workers];
    const blamed = processes.filter((one) => one.complaints.length);
    if (blamed.length === 0) return;
    throw new Error(
      blamed.map((one) => `${one.complaints.join("; ")}; the end of its log:\n${one.logTail()}`).join("\n"),
    );
  }
}

async function embedded(dir: string, env: Record<string, string>): Promise<Parts> {
  const port = await freePort();
  const server = new Process({
    name: "server",
    binary: binary(),
    args: [],
    env: { SOCKEYE_DATA_DIR: join(dir, "data"), SERVER_PORT: String(port), SOCKEYE_OPS_PORT: "0", ...env },
    port,
    logDir: dir,
    show: LOG_SHOWN,
  });
  return { migration: null, gateways: [server], workers: [] };
}

function newCluster(dir: string, env: Record<string, string>): Promise<Parts> {
  const { kafkaBrokers, redisUrl, mongoUri } = realServers();
  const id = `contract-${process.pid}-${randomUUID().slice(0, 8)}`;
  return prepareCluster({
    binary: binary(),
    id,
    kafkaBrokers,
    redisUrl,
    mongoUri: () => inDatabase(mongoUri, id),
    gateways: 2,
    workers: 1,
    env: ([first = ""]) => ({
      SOCKEYE_KAFKA_PARTITIONS: "3",
      SOCKEYE_KAFKA_REPLICATION: "1",
      // The first gateway stands for the load balancer that all clients know.
      SOCKEYE_PUBLIC_URL: first,
      ...env,
    }),
    dir,
    show: LOG_SHOWN,
  });
}

const LOG_SHOWN = Boolean(process.env.CONTRACTS_LOG);

function binary(): string {
  const named = process.env.SOCKEYE_BIN;
  if (!named) throw new Error("set SOCKEYE_BIN to the server's binary (or SOCKEYE_URL and SOCKEYE_CONTRACT)");
  return named;
}

function externalServer(contract: Contract, url: string): Server {
  const refuse = () => Promise.reject(new Error("SOCKEYE_URL names a server these tests do not own"));
  return {
    contract,
    url,
    entrances: () => [url],
    ours: false,
    kill: refuse,
    terminate: refuse,
    start: refuse,
    stop: () => Promise.resolve(),
  };
}
