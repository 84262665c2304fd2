/** Starts, kills and restarts the server under test: the binary named by SOCKEYE_BIN, or a running one at SOCKEYE_URL. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "./wait.ts";

export type Contract = "direct" | "direct-v1";

/** The origin the original frontends are developed on; allowed by default. */
export const PAGE_ORIGIN = "http://localhost:5173";

/** Signs tokens in tests that need one the server did not issue (expired, of nobody, ...). */
export const JWT_SECRET = "contract-tests-only-0123456789abcdef0123456789abcdef";

/** Names of settings that tests change, in one place. */
export const SETTING = {
  signIn: "SOCKEYE_LIMIT_SIGN_IN",
  historyMax: "SOCKEYE_HISTORY_LEN_MAX",
} as const;

/** No limit is met by accident: all tests come from one address. */
const UNLIMITED: Record<string, string> = {
  [SETTING.signIn]: "off",
  SOCKEYE_LIMIT_REQUESTS: "off",
  SOCKEYE_LIMIT_EVENTS: "off",
  SOCKEYE_LIMIT_CONNECTIONS_PER_ADDRESS: "100000",
};

export interface Server {
  readonly contract: Contract;
  /** `http://127.0.0.1:<port>`, no slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Whether this run may kill and restart it (not with SOCKEYE_URL). */
  readonly ours: boolean;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
  /** SIGTERM, as a deployment; fails if it does not end cleanly. */
  terminate(): Promise<void>;
  /** Starts again on the same port and data directory. */
  start(): Promise<void>;
  /** SIGTERM; fails if the server had died before or does not end cleanly. Removes the data. */
  stop(): Promise<void>;
}

export async function startServer(contract: Contract, env: Record<string, string> = {}): Promise<Server> {
  const external = process.env.SOCKEYE_URL;
  if (external && (process.env.SOCKEYE_CONTRACT ?? "direct") === contract && !Object.keys(env).length) {
    return externalServer(contract, external.replace(/\/$/, ""));
  }
  const binary = process.env.SOCKEYE_BIN;
  if (!binary)
    throw new Error("set SOCKEYE_BIN to the server's binary (or SOCKEYE_URL and SOCKEYE_CONTRACT)");
  const server = new OwnServer(
    contract,
    binary,
    await mkdtemp(join(tmpdir(), "contract-")),
    await freePort(),
    env,
  );
  await server.start();
  return server;
}

class OwnServer implements Server {
  readonly ours = true;
  readonly url: string;
  private process: ChildProcess | null = null;
  private log: string[] = [];

  constructor(
    readonly contract: Contract,
    private readonly binary: string,
    private readonly dataDir: string,
    readonly port: number,
    private readonly env: Record<string, string>,
  ) {
    this.url = `http://127.0.0.1:${port}`;
  }

  async start(): Promise<void> {
    const child = spawn(this.binary, [], {
      stdio: ["ignore", "pipe", "pipe"],
      // Only these variables: settings of the machine must not leak into the tests.
      env: {
        PATH: process.env.PATH,
        RUST_BACKTRACE: "1",
        NODE_ENV: "development",
        SOCKEYE_CONTRACT: this.contract,
        SOCKEYE_DATA_DIR: this.dataDir,
        SERVER_PORT: String(this.port),
        SALT_ROUNDS: "4",
        JWT_SECRET,
        ...UNLIMITED,
        ...this.env,
      },
    });
    this.process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.log = [...this.log, text].slice(-200);
        if (process.env.CONTRACTS_LOG) process.stderr.write(text);
      });
    }
    await eventually(
      `${this.binary} ready on ${this.url}`,
      async () => {
        if (child.exitCode !== null || child.signalCode !== null) {
          throw new Error(
            `the server ended at start (${child.exitCode ?? child.signalCode}):\n${this.log.join("")}`,
          );
        }
        const answer = await fetch(`${this.url}/readyz`).catch(() => null);
        return answer?.status === 200;
      },
      20_000,
    );
  }

  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  async terminate(): Promise<void> {
    const child = this.process;
    if (!child) throw new Error("the server is not running");
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the server died (${child.exitCode ?? child.signalCode}):\n${this.log.join("")}`);
    }
    await this.end("SIGTERM");
    if (child.exitCode !== 0) {
      throw new Error(`SIGTERM ended it with ${child.exitCode ?? child.signalCode}:\n${this.log.join("")}`);
    }
  }

  async stop(): Promise<void> {
    if (this.process) await this.terminate();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  private async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.process;
    this.process = null;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const stuck = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await gone;
    clearTimeout(stuck);
  }
}

function externalServer(contract: Contract, url: string): Server {
  const refuse = () => Promise.reject(new Error("SOCKEYE_URL names a server these tests do not own"));
  const port = Number(new URL(url).port || 80);
  return {
    contract,
    url,
    port,
    ours: false,
    kill: refuse,
    terminate: refuse,
    start: refuse,
    stop: () => Promise.resolve(),
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
