/** Builds a test page, and serves it from an origin of its own when it is not the server's to serve. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import type { Contract } from "../lib/server.ts";

const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};

/** The page's files by name. `server` is the API's origin; empty: the origin the page came from. */
export async function pageFiles(contract: Contract, server: string): Promise<Map<string, string>> {
  const bundle = await build({
    entryPoints: [new URL(`page-${contract}.ts`, import.meta.url).pathname],
    bundle: true,
    write: false,
    format: "iife",
  });
  const axios = createRequire(import.meta.url).resolve("axios/package.json");
  const html = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="server" content="${server}" />
    <link rel="icon" href="data:," />
    <title>${contract}</title>
  </head>
  <body>
    <main></main>
    <script src="${server}/socket.io/socket.io.js"></script>
    <script src="/axios.js"></script>
    <script src="/page.js"></script>
  </body>
</html>
`;
  return new Map([
    ["index.html", html],
    ["axios.js", await readFile(join(dirname(axios), "dist/axios.min.js"), "utf8")],
    ["page.js", bundle.outputFiles[0]?.text ?? ""],
  ]);
}

/** A folder with the page, for SOCKEYE_STATIC_DIR. */
export async function pageFolder(
  files: Map<string, string>,
): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "contract-page-"));
  for (const [name, text] of files) await writeFile(join(path, name), text);
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Serves files on `http://localhost:<free port>`; the files may come later than the address. */
export async function serveSite(): Promise<{
  origin: string;
  files: Map<string, string>;
  close(): Promise<void>;
}> {
  const site = { files: new Map<string, string>() };
  const server = createServer((request, response) => {
    const name = new URL(request.url ?? "/", "http://site").pathname.slice(1) || "index.html";
    const text = site.files.get(name);
    response.writeHead(text === undefined ? 404 : 200, {
      "content-type": TYPES[name.split(".").at(-1) ?? ""] ?? "text/plain",
    });
    response.end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    files: site.files,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
