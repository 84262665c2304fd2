// socket.io-client-java, the client of Android apps, from Maven Central. Needs a JDK (17 or later) and Maven.
import { join } from "node:path";
import { foreignClient } from "../lib/foreign.ts";
import { classPathOf } from "../lib/toolchain.ts";

const here = join(import.meta.dirname, "java");

foreignClient("socket.io-client-java 2.1.2", async () => ({
  command: "java",
  args: [
    "-XX:TieredStopAtLevel=1",
    "-Dstdout.encoding=UTF-8",
    "-cp",
    await classPathOf(join(here, "pom.xml")),
    join(here, "Behaviours.java"),
  ],
}));
