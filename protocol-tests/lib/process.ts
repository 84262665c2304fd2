/** One process of the server under test: started, killed, paused, continued, and blamed for what it should not do. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Address } from "./link.ts";
import { eventually, within } from "./wait.ts";

const READY_WITHIN_MS = 60_000;
const STOPPED_WITHIN_MS = 30_000;
const LOG_TAIL_LINES = 60;

// Whatever ends the harness, none of these outlives it.
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export interface Plan {
  readonly name: string;
  readonly binary: string;
  readonly args: readonly string[];
  /** All it gets: settings of the machine must not leak in. */
  readonly env: Readonly<Record<string, string>>;
  /** Where `/readyz` is. */
  readonly port: number;
  readonly logDir: string;
  /** Whether its log goes to our standard error as well. */
  readonly show?: boolean;
}

export class Process {
  readonly name: string;
  readonly address: Address;
  readonly url: string;
  /** What it did wrong by itself: panics, an end nobody asked for. */
  readonly complaints: string[] = [];
  private child: ChildProcess | null = null;
  private askedToEnd = false;

  constructor(private readonly plan: Plan) {
    this.name = plan.name;
    this.address = { host: "127.0.0.1", port: plan.port };
    this.url = `http://127.0.0.1:${plan.port}`;
    mkdirSync(plan.logDir, { recursive: true });
  }

  /** The newest lines of its log; empty when it was never started. */
  logTail(): string {
    if (!existsSync(this.logFile)) return "";
    return readFileSync(this.logFile, "utf8").split("\n").slice(-LOG_TAIL_LINES).join("\n");
  }

  get logFile(): string {
    return join(this.plan.logDir, `${this.name}.log`);
  }

  /** Returns when it is ready. */
  async start(): Promise<void> {
    this.launch();
    await this.ready();
  }

  launch(): void {
    const { binary, args, env } = this.plan;
    const child = spawn(binary, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env.PATH, RUST_BACKTRACE: "1", ...env },
    });
    this.child = child;
    running.add(child);
    this.askedToEnd = false;
    const log = createWriteStream(this.logFile, { flags: "a" });
    for (const stream of [child.stdout, child.stderr]) {
      let rest = "";
      stream?.setEncoding("utf8").on("data", (text: string) => {
        log.write(text);
        if (this.plan.show) process.stderr.write(text);
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines)
          if (line.includes("panicked")) this.complaints.push(`${this.name}: ${line}`);
      });
    }
    child.once("error", (error) =>
      this.complaints.push(`${this.name} could not be started: ${error.message}`),
    );
    child.once("close", (code, signal) => {
      log.end();
      running.delete(child);
      if (!this.askedToEnd)
        this.complaints.push(`${this.name} ended by itself: ${code ?? signal} (${this.logFile})`);
    });
  }

  /** For a command that does something and ends. */
  async runToEnd(): Promise<void> {
    this.launch();
    this.askedToEnd = true;
    const child = this.child;
    await eventually(`${this.name} ends (${this.logFile})`, () => this.ended, READY_WITHIN_MS);
    if (child?.exitCode !== 0)
      throw new Error(`${this.name} ended with ${child?.exitCode ?? child?.signalCode}:\n${this.logTail()}`);
  }

  async ready(): Promise<void> {
    await eventually(
      `${this.name} ready (${this.logFile})`,
      () => {
        if (this.ended) throw new Error(`${this.name} ended before it was ready:\n${this.logTail()}`);
        return this.isReady();
      },
      READY_WITHIN_MS,
    );
  }

  async isReady(): Promise<boolean> {
    if (this.child === null) return false;
    const answer = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(2000) }).catch(() => null);
    return answer?.status === 200;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  /** SIGTERM; an end that is not clean is a complaint. */
  async terminate(): Promise<void> {
    const code = await this.end("SIGTERM");
    if (code !== 0) this.complaints.push(`${this.name}: SIGTERM ended it with ${code} (${this.logFile})`);
  }

  /** SIGSTOP: as a machine that hangs. */
  pause(): void {
    this.signal("SIGSTOP");
  }

  resume(): void {
    this.signal("SIGCONT");
  }

  /** At the end of a scenario, whatever state it is in. */
  async stop(): Promise<void> {
    if (this.child === null || this.ended) return;
    this.resume();
    await this.terminate();
  }

  private get ended(): boolean {
    return this.child === null || this.child.exitCode !== null || this.child.signalCode !== null;
  }

  private signal(signal: NodeJS.Signals): void {
    if (this.ended || !this.child?.kill(signal))
      throw new Error(`${this.name} does not run (${this.logFile})`);
  }

  private async end(signal: "SIGKILL" | "SIGTERM"): Promise<number | NodeJS.Signals | null> {
    const child = this.child;
    if (child === null || this.ended) throw new Error(`${this.name} does not run (${this.logFile})`);
    this.askedToEnd = true;
    const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
    child.kill(signal);
    await within(`${this.name} ends`, gone, STOPPED_WITHIN_MS).catch(async () => {
      this.complaints.push(
        `${this.name} was still there ${STOPPED_WITHIN_MS} ms after ${signal} (${this.logFile})`,
      );
      child.kill("SIGKILL");
      await gone;
    });
    this.child = null;
    return child.exitCode ?? child.signalCode;
  }
}
