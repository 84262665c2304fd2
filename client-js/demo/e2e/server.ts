import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

const READY_WITHIN_MS = 30_000;
const STOPPED_WITHIN_MS = 15_000;

/** The server under test, with data of its own that outlive a restart. */
export class Server {
  #process: ChildProcess | null = null;

  private constructor(
    readonly port: number,
    private readonly dataDir: string,
  ) {}

  static async create(): Promise<Server> {
    return new Server(await freePort(), await mkdtemp(path.join(tmpdir(), "sockeye-demo-")));
  }

  get url(): string {
    return `http://localhost:${this.port}`;
  }

  async start(): Promise<void> {
    const bin = process.env.SOCKEYE_BIN;
    if (!bin) throw new Error("SOCKEYE_BIN must name the server binary");
    const child = spawn(bin, {
      env: {
        ...process.env,
        SERVER_PORT: String(this.port),
        SOCKEYE_STATIC_DIR: path.resolve(import.meta.dirname, "../dist"),
        SOCKEYE_DATA_DIR: this.dataDir,
      },
      stdio: ["ignore", "inherit", "inherit"],
    });
    this.#process = child;
    const deadline = AbortSignal.timeout(READY_WITHIN_MS);
    while (!(await this.#isReady())) {
      deadline.throwIfAborted();
      if (child.exitCode !== null) throw new Error(`the server ended with code ${child.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (!child || child.exitCode !== null) return;
    const ended = once(child, "exit", { signal: AbortSignal.timeout(STOPPED_WITHIN_MS) });
    child.kill("SIGTERM");
    await ended.catch((error) => {
      child.kill("SIGKILL");
      throw new Error("the server did not stop on SIGTERM", { cause: error });
    });
  }

  async destroy(): Promise<void> {
    await this.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await fetch(`http://127.0.0.1:${this.port}/healthz`)).ok;
    } catch {
      return false; // Not listening yet: asked again until the deadline.
    }
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
