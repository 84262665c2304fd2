// python-socketio: the current release, and the last one of Engine.IO 3.
import { join } from "node:path";
import { foreignClient } from "../lib/foreign.ts";
import { pythonWith } from "../lib/toolchain.ts";

const here = join(import.meta.dirname, "python");

for (const [library, requirements] of [
  ["python-socketio 5.18.1", "requirements.txt"],
  ["python-socketio 4.6.1", "requirements-4.txt"],
] as const) {
  foreignClient(library, async () => ({
    command: await pythonWith(join(here, requirements)),
    args: [join(here, "behaviours.py")],
  }));
}
