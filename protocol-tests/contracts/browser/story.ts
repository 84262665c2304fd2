/** Two people chat in a real Chromium: sign-up to log-out, with the browser's own cookies and CORS. */
import assert from "node:assert/strict";
import { type Browser, chromium, type Page } from "playwright-core";
import { eventually } from "../../lib/wait.ts";
import type { Deployment } from "../lib/browser-http.ts";
import type { Message } from "../lib/frontend-direct.ts";
import { dataUrl } from "../lib/images.ts";
import { type Contract, type Server, startServer } from "../lib/server.ts";
import { pageFiles, pageFolder, serveSite } from "./site.ts";

/** The driver as the test sees it from outside the page. */
interface App {
  authUser: ({ _id: string } & Record<string, unknown>) | null;
  users: ({ _id: string } & Record<string, unknown>)[];
  messages: Message[];
  onlineUsers: string[];
  toasts: string[];
  socket: { connected: boolean; recovered: boolean } | null;
}

type Call = [method: string, ...args: unknown[]];

/** One tab. `problems` are console errors, exceptions and failed requests nobody expected. */
class Visitor {
  readonly problems: string[] = [];
  private expected: RegExp[] = [];

  constructor(readonly page: Page) {
    const note = (text: string) => {
      if (!this.expected.some((pattern) => pattern.test(text))) this.problems.push(text);
    };
    page.on("console", (line) => {
      if (line.type() === "error") note(`console: ${line.text()} ${line.location().url}`);
    });
    page.on("pageerror", (error) => note(`exception: ${error.message}`));
    page.on("requestfailed", (request) => {
      note(`failed: ${request.method()} ${request.url()} ${request.failure()?.errorText}`);
    });
  }

  /** Errors that are right from now on: browsers log every 4xx answer. */
  expect(...patterns: RegExp[]): void {
    this.expected = patterns;
  }

  run(...[method, ...args]: Call): Promise<unknown> {
    return this.page.evaluate(
      async ([name, values]) => {
        const { app } = globalThis as unknown as { app: Record<string, (...args: unknown[]) => unknown> };
        await app[name as string]?.(...(values as unknown[]));
      },
      [method, args] as const,
    );
  }

  state(): Promise<App> {
    return this.page.evaluate(() => {
      const { app } = globalThis as unknown as { app: App };
      const { authUser, users, messages, onlineUsers, toasts, socket } = app;
      const link = socket && { connected: socket.connected, recovered: socket.recovered };
      return { authUser, users, messages, onlineUsers, toasts, socket: link };
    });
  }

  until(what: string, holds: (app: App) => boolean | undefined, timeoutMs = 15_000): Promise<boolean> {
    return eventually(what, async () => holds(await this.state()) ?? false, timeoutMs).catch(
      async (error) => {
        throw new Error(
          `${error.message}; page: ${JSON.stringify(await this.state()).slice(0, 1500)}; ${this.problems.join("; ")}`,
        );
      },
    );
  }

  /** Widths of the pictures shown; 0 for one that did not load. */
  pictureWidths(): Promise<number[]> {
    return this.page.evaluate(() => {
      const { document } = globalThis as unknown as {
        document: { images: Iterable<{ complete: boolean; naturalWidth: number }> };
      };
      return [...document.images].map((image) => (image.complete ? image.naturalWidth : 0));
    });
  }
}

export async function browserStory(contract: Contract, deployment: Deployment): Promise<void> {
  const cross = deployment === "cross-origin";
  const cleanup: (() => Promise<void>)[] = [];
  try {
    // A page for each of the two people, whose server is another gateway when there are several.
    const sites = [await serveSite(), await serveSite()] as const;
    for (const site of sites) cleanup.push(() => site.close());
    const origins: Addresses = [sites[0].origin, sites[1].origin];
    const folder = await pageFolder(await pageFiles(contract, ""));
    cleanup.push(() => folder.remove());
    const server = await startServer(
      contract,
      cross ? { CORS_ORIGINS: origins.join() } : { SOCKEYE_STATIC_DIR: folder.path },
    );
    cleanup.push(() => server.stop());
    const [first = "", second = first] = server.entrances().map(asLocalhost);
    for (const [site, url] of [
      [sites[0], first],
      [sites[1], second],
    ] as const)
      for (const file of await pageFiles(contract, url)) site.files.set(...file);
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ARGS,
    });
    cleanup.push(() => browser.close());
    await play(contract, browser, server, deployment, cross ? origins : [first, second]);
  } finally {
    for (const undo of cleanup.reverse()) await undo();
  }
}

export const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/** Chromium logs the 401 of the first check. */
const LOGGED_OUT = [/status of 401/];

/** Of Ann's page and of Bob's. */
type Addresses = readonly [ann: string, bob: string];

/** Cookies belong to a host, whatever the port: both gateways are `localhost`, as they are one host in a real cluster. */
export const asLocalhost = (url: string) => url.replace("127.0.0.1", "localhost");

async function play(
  contract: Contract,
  browser: Browser,
  server: Server,
  deployment: Deployment,
  addresses: Addresses,
): Promise<void> {
  const visitors: Visitor[] = [];
  const contexts = [await browser.newContext(), await browser.newContext()] as const;
  const visit = async (context: (typeof contexts)[number], address: string, path = "/") => {
    const visitor = new Visitor(await context.newPage());
    visitors.push(visitor);
    await visitor.page.goto(address + path);
    return visitor;
  };
  const email = (name: string) => `${name}@browser.example.com`;
  const enter = async (visitor: Visitor, name: string) => {
    visitor.expect(...LOGGED_OUT);
    await visitor.run("checkAuth");
    const shared = { email: email(name), password: "123456" };
    if (contract === "direct") await visitor.run("signup", { fullName: name, ...shared });
    else {
      await visitor.run("signup", { full_name: name, ...shared });
      await visitor.run("login", shared);
    }
    visitor.expect();
    await visitor.until(`${name} is connected`, (app) => app.socket?.connected && app.onlineUsers.length > 0);
    return String((await visitor.state()).authUser?._id);
  };
  const select = async (visitor: Visitor, other: string) => {
    await visitor.run("getUsers");
    const field = contract === "direct" ? "fullName" : "full_name";
    const user = (await visitor.state()).users.find((candidate) => candidate[field] === other);
    assert.ok(user, `${other} in the list`);
    await visitor.run("openConversation", user);
  };
  const texts = (app: App) =>
    app.messages.map((message) => message.text || (message.image ? "[picture]" : ""));
  const showing = (visitor: Visitor, ...expected: string[]) =>
    visitor.until(`shows ${expected}`, (app) => texts(app).join("|") === expected.join("|"), 30_000);

  const [ann, bob] = [await visit(contexts[0], addresses[0]), await visit(contexts[1], addresses[1])];
  const [annId, bobId] = [await enter(ann, "ann"), await enter(bob, "bob")];
  await ann.until(
    "Ann sees Bob",
    (app) => app.onlineUsers.includes(bobId) && app.onlineUsers.includes(annId),
  );

  await select(ann, "bob");
  await select(bob, "ann");
  await ann.run("sendMessage", { text: "hello", image: null });
  await showing(bob, "hello");
  await bob.run("sendMessage", { text: "", image: dataUrl("png") });
  await showing(ann, "hello", "[picture]");
  for (const visitor of [ann, bob]) {
    await eventually("the picture is loaded", async () => (await visitor.pictureWidths()).join() === "2");
  }
  await ann.run("updateProfile", dataUrl("jpeg"));
  const field = contract === "direct" ? "profilePic" : "profile_picture";
  assert.match(String((await ann.state()).authUser?.[field]), /^https?:/);

  ann.expect(/status of 413/);
  await ann.run("sendMessage", { text: "", image: dataUrl("jpeg", 6_000_000) });
  await ann.until("the size is explained", (app) => app.toasts.length === 1 && Boolean(app.toasts[0]));
  ann.expect();
  await showing(ann, "hello", "[picture]");

  // A second tab, where Ann's page is: logged in by the cookie, live, and closing it leaves Bob online. Only the
  // server itself answers client-side routes with the page.
  const second = await visit(contexts[1], addresses[0], deployment === "same-origin" ? "/chat" : "/");
  await second.run("checkAuth");
  await second.until(
    "the second tab is connected",
    (app) => app.socket?.connected && app.onlineUsers.includes(annId),
  );
  await select(second, "ann");
  await ann.run("sendMessage", { text: "to both tabs", image: null });
  for (const visitor of [ann, bob, second]) await showing(visitor, "hello", "[picture]", "to both tabs");
  await second.page.close();
  await ann.run("sendMessage", { text: "still there?", image: null });
  await showing(bob, "hello", "[picture]", "to both tabs", "still there?");
  assert.ok((await ann.state()).onlineUsers.includes(bobId));

  // The server is killed: the pages return by themselves, and go on without a reload.
  if (server.ours) {
    for (const visitor of [ann, bob]) {
      visitor.expect(
        /ERR_CONNECTION_(REFUSED|RESET|CLOSED|ABORTED)|ERR_EMPTY_RESPONSE|WebSocket|status of 400|ERR_ABORTED/,
      );
    }
    await server.kill();
    for (const visitor of [ann, bob])
      await visitor.until("the break is noticed", (app) => app.socket?.connected === false);
    await server.start();
    for (const visitor of [ann, bob]) {
      await visitor.until("connected again", (app) => app.socket?.connected, 30_000);
    }
    await ann.until("Ann sees Bob again", (app) => app.onlineUsers.includes(bobId));
    for (const visitor of [ann, bob]) visitor.expect();
    await bob.run("sendMessage", { text: "after the restart", image: null });
    for (const visitor of [ann, bob]) {
      await showing(visitor, "hello", "[picture]", "to both tabs", "still there?", "after the restart");
    }
  }

  await bob.run("logout");
  await ann.until("Ann sees Bob leave", (app) => !app.onlineUsers.includes(bobId));
  bob.expect(...LOGGED_OUT);
  await bob.run("checkAuth");
  assert.equal((await bob.state()).authUser, null);
  assert.deepEqual((await bob.state()).toasts, []);
  for (const visitor of visitors) assert.deepEqual(visitor.problems, []);
}
