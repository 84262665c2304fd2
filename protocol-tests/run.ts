// Runs the suites against a server: one it starts itself, or one whose addresses are given.
//   node --import tsx run.ts [--target reference|sockeye] [wire|clients|some.test.ts ...] [--test-... options]
// With SOCKETIO_URL and ENGINEIO_URL set, and no --target, the server at these addresses is tested; it is
// held to what the Node server does unless PROTOCOL_TARGET=sockeye says that it is Sockeye.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { within } from "./lib/within.ts";

const here = import.meta.dirname;
const startUpMs = 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    target: { type: "string" },
    "test-name-pattern": { type: "string", multiple: true },
    "test-reporter": { type: "string", default: "spec" },
    "test-concurrency": { type: "string", default: "2" },
  },
});

let server: ChildProcess | undefined;
try {
  if (values.target !== undefined || process.env.SOCKETIO_URL === undefined) {
    const target = values.target ?? "sockeye";
    server = await start(target);
    process.env.PROTOCOL_TARGET = target;
  }
  process.exitCode = await run(testFiles(positionals));
} finally {
  server?.kill("SIGTERM");
}

/** Starts the conformance application on free ports and tells the tests where it listens. */
async function start(target: string): Promise<ChildProcess> {
  const [command, ...args] = target === "reference" ? referenceCommand() : sockeyeCommand(target);
  const child = spawn(command ?? "", args, {
    cwd: here,
    env: { ...process.env, PORT: "0", ENGINE_PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  const ports = new Promise<RegExpExecArray>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${target} ended with ${code} before it listened`)));
    lines.on("line", (line) => {
      const found = /^listening socket\.io=(\d+) engine\.io=(\d+)/.exec(line);
      if (found !== null) resolve(found);
    });
  });
  const [, socketIo, engineIo] = await within(`${target} listens`, ports, startUpMs);
  process.env.SOCKETIO_URL = `http://127.0.0.1:${socketIo}`;
  process.env.ENGINEIO_URL = `http://127.0.0.1:${engineIo}`;
  child.once("exit", (code, signal) => {
    if (signal !== "SIGTERM") console.error(`the server under test ended by itself: ${code ?? signal}`);
  });
  return child;
}

function referenceCommand(): string[] {
  return [process.execPath, "--import", "tsx", "reference/conformance.ts"];
}

/** Builds the example and finds the executable, so that it can be stopped without cargo in between. */
function sockeyeCommand(target: string): string[] {
  if (target !== "sockeye") throw new Error(`unknown target ${target}: reference or sockeye`);
  const build = [
    "build",
    "-p",
    "sockeye",
    "--example",
    "conformance",
    "--message-format=json-render-diagnostics",
  ];
  const cargo = spawnSync("cargo", build, {
    cwd: `${here}/..`,
    encoding: "utf8",
    maxBuffer: 64 << 20,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (cargo.status !== 0) throw new Error("cargo build failed");
  for (const line of cargo.stdout.split("\n").filter((text) => text.startsWith("{"))) {
    const message = JSON.parse(line) as { executable?: string | null; target?: { name: string } };
    if (message.target?.name === "conformance" && message.executable) return [message.executable];
  }
  throw new Error("cargo named no executable for the example");
}

function testFiles(wanted: string[]): string[] {
  const all = ["wire", "clients"].flatMap((folder) => {
    const names = readdirSync(`${here}/${folder}`).filter((name) => name.endsWith(".test.ts"));
    return names.sort().map((name) => `${folder}/${name}`);
  });
  const files = wanted.length === 0 ? all : all.filter((file) => wanted.some((word) => file.includes(word)));
  if (files.length === 0) throw new Error(`no test file matches ${wanted.join(" ")}`);
  return files;
}

function run(files: string[]): Promise<number> {
  const options = [
    `--test-concurrency=${values["test-concurrency"]}`,
    `--test-reporter=${values["test-reporter"]}`,
    "--test-timeout=120000",
    // A client library may keep timers of its own after it was told to disconnect.
    "--test-force-exit",
    ...(values["test-name-pattern"] ?? []).map((pattern) => `--test-name-pattern=${pattern}`),
  ];
  const tests = spawn(process.execPath, ["--import", "tsx", ...options, "--test", ...files], {
    cwd: here,
    stdio: "inherit",
  });
  return new Promise((resolve) => tests.once("exit", (code) => resolve(code ?? 1)));
}
