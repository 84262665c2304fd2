/** Pages of other sites act for their visitor, in a real Chromium with its own cookies: none of it may succeed. */
import assert from "node:assert/strict";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { must } from "../../lib/wait.ts";
import { direct, directV1, type Kit } from "../lib/kit.ts";
import { type Contract, type Server, startServer } from "../lib/server.ts";
import { serveSite } from "./site.ts";
import { ARGS, asLocalhost } from "./story.ts";

/** With `none` browsers send the cookie from any site. They keep such a cookie from localhost without TLS, if it is Secure. */
const COOKIES = {
  strict: { SOCKEYE_COOKIE_SAMESITE: "strict" },
  none: { SOCKEYE_COOKIE_SAMESITE: "none", SOCKEYE_COOKIE_SECURE: "always" },
} as const;

/** `io()` of a page that the server serves: every request may carry the cookie. */
export async function forgeryStory(contract: Contract, sameSite: keyof typeof COOKIES): Promise<void> {
  const kit = contract === "direct" ? direct : directV1;
  const cleanup: (() => Promise<void>)[] = [];
  try {
    const site = await serveSite();
    cleanup.push(() => site.close());
    const server = await startServer(contract, COOKIES[sameSite]);
    cleanup.push(() => server.stop());
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ARGS,
    });
    cleanup.push(() => browser.close());
    await play(kit, browser, server, site);
  } finally {
    for (const undo of cleanup.reverse()) await undo();
  }
}

type Site = Awaited<ReturnType<typeof serveSite>>;

async function play(kit: Kit, browser: Browser, server: Server, site: Site): Promise<void> {
  const home = asLocalhost(must(server.entrances()[0], "an entrance"));
  const context = await browser.newContext();
  const victim = await context.newPage();
  await victim.goto(home);
  const bobId = await signUp(server, kit, "Bob");
  await signUp(server, kit, "Eve");
  const signedUp = await ask(victim, "POST", kit.path.signup, kit.signUpForm("Ann", email("Ann"), "123456"));
  assert.equal(signedUp.status, 201);
  const annId = kit.userIn(signedUp.body)._id;

  site.files.set("send.html", form(home + api(kit.path.send(bobId)), { text: "forged" }));
  site.files.set("login.html", form(home + api(kit.path.login), { email: email("Eve"), password: "123456" }));
  site.files.set("logout.html", form(home + api(kit.path.logout), {}));
  // `localhost` on another port is the same site, an address is another one.
  for (const evil of [site.origin, site.origin.replace("localhost", "127.0.0.1")]) {
    for (const name of ["send", "login", "logout"]) {
      const refused = await submit(context, `${evil}/${name}.html`);
      assert.deepEqual(refused, { status: 403, code: "cross_site" }, `${name} from ${evil}`);
    }
    for (const [path, body] of [
      [kit.path.send(bobId), { text: "forged" }],
      [kit.path.logout, {}],
    ] as const) {
      assert.equal(await postBlindly(context, evil, home + api(path), body), 403, `${path} from ${evil}`);
    }
    assert.equal(await openSocket(context, evil, home, annId), "refused", `a WebSocket from ${evil}`);
    const check = await ask(victim, "GET", kit.path.check);
    assert.equal(check.status, 200, "still logged in");
    assert.equal(kit.userIn(check.body)._id, annId, "as oneself");
  }

  const history = async () => kit.listIn((await ask(victim, "GET", kit.path.history(bobId))).body);
  assert.deepEqual(await history(), []);
  // What the victim's own page does is not in the way of this.
  assert.ok((await ask(victim, "POST", kit.path.send(bobId), { text: "mine" })).status < 300);
  assert.equal((await history()).length, 1);
  assert.equal(await openSocket(context, null, home, annId), "opened");
  assert.equal((await ask(victim, "POST", kit.path.logout, {})).status, 200);
  assert.equal((await ask(victim, "GET", kit.path.check)).status, 401);
}

const api = (path: string) => `/api${path}`;
const email = (name: string) => `${name.toLowerCase()}@forgery.example.com`;

/** Not in the browser: what Eve and Bob do is nobody's concern. */
async function signUp(server: Server, kit: Kit, name: string): Promise<string> {
  const answer = await fetch(server.url + api(kit.path.signup), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(kit.signUpForm(name, email(name), "123456")),
  });
  assert.equal(answer.status, 201);
  return kit.userIn(await answer.json())._id;
}

/** A request of the server's own page, as its frontend makes it. */
function ask(
  page: Page,
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; body: unknown }> {
  return page.evaluate(
    async ([url, how]) => {
      const answer = await fetch(url, how);
      return { status: answer.status, body: await answer.json() };
    },
    [
      api(path),
      {
        method,
        credentials: "include",
        headers: { "content-type": "application/json" },
        ...(body ? { body: JSON.stringify(body) } : {}),
      } as RequestInit,
    ] as const,
  );
}

/** A page with a form whose one field is JSON around a `=`. */
function form(action: string, fields: Record<string, string>): string {
  const quoted = (text: string) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  const name = `${JSON.stringify({ ...fields, x: "" }).slice(0, -2)}`;
  return `<!doctype html>
<form method="post" enctype="text/plain" action="${quoted(action)}">
  <input type="hidden" name="${quoted(name)}" value="${quoted('"}')}" />
  <button>Win a prize</button>
</form>
`;
}

async function submit(context: BrowserContext, url: string): Promise<{ status: number; code: unknown }> {
  const page = await context.newPage();
  await page.goto(url);
  const answered = page.waitForResponse((response) => response.request().method() === "POST");
  await page.click("button");
  const answer = await answered;
  const status = answer.status();
  const body = await answer.json().catch(() => ({}));
  await page.close();
  return { status, code: body.code };
}

/** A request that needs no permission, because its answer cannot be read. */
async function postBlindly(
  context: BrowserContext,
  from: string,
  url: string,
  body: object,
): Promise<number> {
  const page = await context.newPage();
  await page.goto(`${from}/send.html`);
  const answered = page.waitForResponse((response) => response.url() === url);
  await page.evaluate(
    ([to, text]) => fetch(to, { method: "POST", mode: "no-cors", credentials: "include", body: text }),
    [url, JSON.stringify(body)] as const,
  );
  const status = (await answered).status();
  await page.close();
  return status;
}

/** Opens a WebSocket from a page there; `null`: from the server's own. */
async function openSocket(
  context: BrowserContext,
  from: string | null,
  home: string,
  user: string,
): Promise<unknown> {
  const page = await context.newPage();
  await page.goto(from ? `${from}/send.html` : home);
  const address = `${home.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket&userId=${user}`;
  const outcome = await page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url);
        socket.addEventListener("message", () => resolve("opened"));
        socket.addEventListener("error", () => resolve("refused"));
      }),
    address,
  );
  await page.close();
  return outcome;
}
