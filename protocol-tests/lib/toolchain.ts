// What client libraries of other languages need, fetched once with their own package managers.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "sockeye", "protocol-tests");

/** A virtual environment with exactly these requirements; the path of its interpreter. */
export async function pythonWith(requirementsFile: string): Promise<string> {
  const directory = await prepared("python", requirementsFile, async (path) => {
    await run("python3", ["-m", "venv", path]);
    await run(join(path, "bin", "python"), ["-m", "pip", "install", "--quiet", "-r", requirementsFile]);
  });
  return join(directory, "bin", "python");
}

/** The class path of this Maven project's dependencies. */
export async function classPathOf(pomFile: string): Promise<string> {
  const directory = await prepared("java", pomFile, async (path) => {
    await mkdir(path);
    const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath";
    await run("mvn", [
      "--quiet",
      "--batch-mode",
      "-f",
      pomFile,
      goal,
      `-Dmdep.outputFile=${join(path, "class-path")}`,
    ]);
  });
  return (await readFile(join(directory, "class-path"), "utf8")).trim();
}

/** A directory made once per content of `inputFile`; half-made ones are made again. */
async function prepared(
  kind: string,
  inputFile: string,
  make: (path: string) => Promise<void>,
): Promise<string> {
  const digest = createHash("sha256")
    .update(await readFile(inputFile))
    .digest("hex")
    .slice(0, 16);
  const directory = join(cache, `${kind}-${digest}`);
  const ready = join(directory, "ready");
  if (existsSync(ready)) return directory;
  await mkdir(cache, { recursive: true });
  await rm(directory, { recursive: true, force: true });
  await make(directory);
  // A marker, not a rename of the directory: a virtual environment does not survive being moved.
  await writeFile(`${ready}.new`, "");
  await rename(`${ready}.new`, ready);
  return directory;
}
