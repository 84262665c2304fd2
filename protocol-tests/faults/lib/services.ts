/** The real Kafka, MongoDB and Redis: started, killed and restarted by `scripts/services`. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { Address } from "../../lib/link.ts";

const SCRIPT = resolve(import.meta.dirname, "../../../scripts/services");
const START_WITHIN_MS = 300_000;
const run = promisify(execFile);

export interface Services {
  /** Where Kafka listens for the harness' proxy, and where it tells the proxy's clients to come. */
  readonly kafka: { readonly bind: Address; readonly proxy: Address };
  readonly redis: Address;
  /** Of the whole replica set; no database in it. */
  readonly mongoUri: string;
  /** `mongo-0`, ... */
  mongoPrimary(): Promise<string>;
  mongoAddress(member: string): Address;
  kill(name: string): Promise<void>;
  /** Starts it again on its old port and data. */
  restart(name: string): Promise<void>;
  pause(name: string): Promise<void>;
  resume(name: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startServices(): Promise<Services> {
  const dir = await mkdtemp(join(tmpdir(), "faults-services-"));
  try {
    await script(["start", "--dir", dir, "--mongo-members", "3"], START_WITHIN_MS);
    return await inDir(dir);
  } catch (error) {
    await script(["stop", "--dir", dir]).catch(() => undefined);
    throw error;
  }
}

async function inDir(dir: string): Promise<Services> {
  const env = parseEnv(await readFile(join(dir, "env"), "utf8"));
  const get = (name: string) => {
    const value = env.get(name);
    if (!value) throw new Error(`${name} is not in ${dir}/env`);
    return value;
  };
  const mongoUri = get("SOCKEYE_TEST_MONGODB_URI");
  const members = /^mongodb:\/\/([^/]+)\//.exec(mongoUri)?.[1]?.split(",") ?? [];
  const signal = async (name: string, signal: NodeJS.Signals) => {
    const pid = Number((await readFile(join(dir, `${name}.pid`), "utf8")).trim());
    process.kill(pid, signal);
  };
  return {
    kafka: {
      bind: parseAddress(get("SOCKEYE_TEST_KAFKA_PROXIED_BIND")),
      proxy: parseAddress(get("SOCKEYE_TEST_KAFKA_PROXY")),
    },
    redis: parseAddress(get("SOCKEYE_TEST_REDIS_URL").replace(/^redis:\/\//, "")),
    mongoUri,
    mongoPrimary: async () => (await script(["primary", "--dir", dir])).trim(),
    mongoAddress: (member) => parseAddress(members[Number(member.replace("mongo-", ""))] ?? ""),
    kill: async (name) => void (await script(["kill", "--dir", dir, name])),
    restart: async (name) => void (await script(["restart", "--dir", dir, name])),
    pause: (name) => signal(name, "SIGSTOP"),
    resume: (name) => signal(name, "SIGCONT"),
    stop: async () => {
      await script(["stop", "--dir", dir]);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function script(args: string[], timeout = 120_000): Promise<string> {
  const { stdout } = await run(SCRIPT, args, { timeout, maxBuffer: 1 << 20 });
  return stdout;
}

function parseEnv(text: string): Map<string, string> {
  const lines = text.split("\n").filter((line) => line.includes("="));
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1).trim()]),
  );
}

function parseAddress(text: string): Address {
  const [, host, port] = /^([^:/]+):(\d+)/.exec(text) ?? [];
  if (!host || !port) throw new Error(`not host:port: ${text}`);
  return { host, port: Number(port) };
}
