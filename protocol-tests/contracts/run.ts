// Runs the contract tests: npm run contracts -- [--shape embedded|cluster] [TEST_FILE...]
// SOCKEYE_BIN is the server. The cluster needs real servers: scripts/services run -- npm run contracts -- --shape cluster
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { realServers } from "../lib/real-servers.ts";

/** Of a test, and of a whole file. The cluster is several processes and real servers, on two cores perhaps. */
const TIMEOUT_MS = { embedded: 90_000, cluster: 300_000 };

const { values, positionals } = parseArgs({
  options: { shape: { type: "string", default: process.env.SOCKEYE_TEST_SHAPE ?? "embedded" } },
  allowPositionals: true,
});
const { shape } = values;
if (shape !== "embedded" && shape !== "cluster") throw new Error(`no such shape: ${shape}`);
// Says what is missing once, not in every file.
if (shape === "cluster") realServers();

const root = resolve(import.meta.dirname, "..");
const all = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => join(import.meta.dirname, name));
const files = positionals.length ? positionals : all.sort();
const options = ["--import", "tsx", "--test", "--test-concurrency=2", `--test-timeout=${TIMEOUT_MS[shape]}`];
const tests = spawn(process.execPath, [...options, ...files], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, SOCKEYE_TEST_SHAPE: shape },
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => tests.kill(signal));
tests.on("exit", (code) => {
  process.exitCode = code ?? 1;
});
