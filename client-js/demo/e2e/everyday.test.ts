import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Browser, chromium, type Page, type Request } from "playwright-core";
import type { Message, User } from "../src/chat/model.ts";
import { Guest } from "./guest.ts";
import { Server } from "./server.ts";
import { bubble, newWindow, open, row, say, signUp, step, texts } from "./window.ts";

const HEBREW = "שלום! מה שלומך? (טוב)";
const ARABIC_NAME = "ليلى حسن";
const LONG_HISTORY_LEN = 1_050;

let server: Server;
let browser: Browser;
const guests: Guest[] = [];
const complaints: string[] = [];

before(async () => {
  server = await Server.create();
  await server.start();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium" });
});

after(async () => {
  for (const guest of guests) guest.leave();
  await browser?.close();
  await server?.destroy();
});

test("Enter that confirms a word of an input method sends nothing", async () => {
  const page = await newWindow(browser, server.url, complaints);
  const posts: string[] = [];
  page.on("request", (request) => request.method() === "POST" && posts.push(request.url()));

  await step("no form", async () => {
    await page.getByLabel("Email").fill("kenji@example.com");
    await page.getByLabel("Password").fill("something");
    const isTaken = await page.getByLabel("Password").evaluate((element) => {
      const enter = { key: "Enter", code: "Enter", bubbles: true, cancelable: true };
      // False: the page has kept the browser from acting on it.
      return [229, 13].map(
        (keyCode) => !element.dispatchEvent(new KeyboardEvent("keydown", { ...enter, keyCode })),
      );
    });
    assert.deepEqual(isTaken, [true, false]);
    const refused = page.waitForResponse("**/api/auth/login");
    await page.keyboard.press("Enter");
    await refused;
    assert.equal(posts.filter((url) => url.endsWith("/auth/login")).length, 1);
  });

  await step("no message, whether the browser says so as Chrome does or as Safari does", async () => {
    await signUp(page, "Kenji Mori", "kenji@example.com");
    await guest("Yuki Abe", "yuki@example.com");
    await open(page, "Yuki Abe");
    const field = page.getByRole("textbox", { name: "Message to" });
    await field.fill("こんにちは");
    posts.length = 0;
    await field.evaluate((element) => {
      const composition = { data: "こんにちは", bubbles: true };
      const enter = {
        key: "Enter",
        code: "Enter",
        keyCode: 229,
        which: 229,
        bubbles: true,
        cancelable: true,
      };
      element.dispatchEvent(new CompositionEvent("compositionstart", composition));
      element.dispatchEvent(new KeyboardEvent("keydown", { ...enter, isComposing: true }));
      element.dispatchEvent(new CompositionEvent("compositionend", composition));
      element.dispatchEvent(new KeyboardEvent("keydown", { ...enter, isComposing: false }));
    });
    assert.equal(await field.inputValue(), "こんにちは");
    assert.equal(await page.locator(".message").count(), 0);
    await field.press("Enter");
    await bubble(page, "こんにちは").waitFor();
    assert.equal(posts.filter((url) => url.includes("/messages/send/")).length, 1);
  });
});

test("text has the direction of its own first letter, wherever it stands", async () => {
  const page = await newWindow(browser, server.url, complaints);
  const name = page.getByLabel("Full name");
  await page.getByRole("button", { name: "Create an account" }).click();
  await name.fill("דנה לוי");
  assert.equal(await direction(page, '[name="fullName"]'), "rtl");
  await page.reload();
  await signUp(page, "דנה לוי", "dana@example.com");
  assert.equal(await direction(page, ".me .row-name"), "rtl");

  const leila = await guest(ARABIC_NAME, "leila@example.com");
  await open(page, ARABIC_NAME);
  await page.locator(".conversation").waitFor();
  assert.equal(await direction(page, ".conversation h2"), "rtl");
  assert.equal(await direction(page, ".row[aria-current] .row-name"), "rtl");

  const field = page.getByRole("textbox", { name: "Message to" });
  assert.equal(await direction(page, "textarea"), "ltr");
  await field.fill(HEBREW);
  assert.equal(await direction(page, "textarea"), "rtl");
  await field.press("Enter");
  await bubble(page, HEBREW).waitFor();
  await page.locator(".mine:not(.sending)").waitFor();
  assert.equal(await direction(page, ".mine:last-child p"), "rtl");
  const preview = page.locator(".row[aria-current] .row-preview bdi", { hasText: HEBREW });
  await preview.waitFor();
  assert.equal(await preview.evaluate((element) => getComputedStyle(element).direction), "rtl");

  await leila.say("דנה לוי", "مرحبا!");
  await bubble(page, "مرحبا!").waitFor();
  assert.equal(await direction(page, ".message:last-child p"), "rtl");
  assert.equal(await direction(page, ".row[aria-current] .row-preview"), "rtl");
  await leila.say("דנה לוי", "Hello, two lines:\nשלום!");
  await bubble(page, "two lines").waitFor();
  assert.equal(await direction(page, ".message:last-child p"), "ltr");
  // The second line is Hebrew: it starts at the right edge.
  const [first, second] = await page.locator(".message:last-child p").evaluate((p) => {
    const text = p.firstChild as Text;
    return [
      [0, 17],
      [18, 23],
    ].map(([from = 0, to = 0]) => {
      const line = document.createRange();
      line.setStart(text, from);
      line.setEnd(text, to);
      return line.getBoundingClientRect().toJSON() as DOMRect;
    });
  });
  assert.ok(first && second && second.left > first.left && Math.abs(second.right - first.right) < 4);
});

test("marks piled up on letters do not cover the neighbours", async () => {
  const page = await newWindow(browser, server.url, complaints);
  await signUp(page, "Nora Quist", "nora@example.com");
  await guest("Omar Said", "omar@example.com");
  await open(page, "Omar Said");
  await say(page, "above");
  await say(page, [..."a line with many marks"].map((letter) => letter + "\u0316".repeat(40)).join(""));
  await say(page, "below");
  await page.waitForFunction(
    () => document.querySelectorAll(".message").length === 3 && !document.querySelector(".sending"),
  );
  await page.locator(".message:last-child .bubble").evaluate((element) => {
    for (const animation of element.getAnimations()) animation.finish();
  });
  const shoot = async () => [
    await page.locator(".message").first().screenshot(),
    await page.locator(".message").last().screenshot(),
  ];
  const withMarks = await shoot();
  await page.locator(".message:nth-last-child(2) p").evaluate((p) => {
    // The same height without the marks.
    const { height } = p.getBoundingClientRect();
    p.textContent = "a line with many marks";
    (p as HTMLElement).style.height = `${height}px`;
  });
  assert.deepEqual(withMarks, await shoot());
});

test("the order is the server's, however the clocks of its gateways differ", async () => {
  const page = await newWindow(browser, server.url, complaints);
  await signUp(page, "Pia Roth", "pia@example.com");
  const quin = await guest("Quin Doe", "quin@example.com");
  const rosa = await guest("Rosa Paz", "rosa@example.com");

  // Each message of the history an hour earlier than the one before it; pushes an age ago.
  await page.route("**/api/messages/*?*", async (route) => {
    const response = await route.fetch();
    const history = (await response.json()) as Message[];
    const json = history.map((message, i) => ({ ...message, createdAt: hoursAgo(i) }));
    await route.fulfill({ response, json });
  });
  let upgraded = () => {};
  const isUpgraded = new Promise<void>((resolve) => {
    upgraded = resolve;
  });
  await page.routeWebSocket(/socket\.io/, (socket) => {
    const upstream = socket.connectToServer();
    socket.onMessage((frame) => {
      if (frame === "5") upgraded();
      upstream.send(frame);
    });
    upstream.onMessage((frame) =>
      socket.send(String(frame).replace(/"createdAt":"[^"]*"/, '"createdAt":"2001-01-01T00:00:00.000Z"')),
    );
  });
  await rosa.say("Pia Roth", "before all");
  for (const text of ["one", "two", "three"]) await quin.say("Pia Roth", text);
  await page.reload();
  await isUpgraded;
  await open(page, "Quin Doe");
  await bubble(page, "three").waitFor();
  assert.deepEqual(await texts(page), ["one", "two", "three"]);
  assert.match((await names(page))[0] ?? "", /Quin/);

  await quin.say("Pia Roth", "four");
  await bubble(page, "four").waitFor();
  await say(page, "five");
  await page.locator(".mine:not(.sending)").waitFor();
  assert.deepEqual(await texts(page), ["one", "two", "three", "four", "five"]);
  assert.match((await row(page, "Quin Doe").textContent()) ?? "", /You: five/);

  await rosa.say("Pia Roth", "dated long ago");
  await row(page, "Rosa Paz").filter({ hasText: "dated long ago" }).waitFor();
  assert.match((await names(page))[0] ?? "", /Rosa/);

  await page.reload();
  await bubble(page, "five").waitFor();
  assert.deepEqual(await texts(page), ["one", "two", "three", "four", "five"]);
});

test("a long conversation can be read back to its start, in place, and forth again", async () => {
  const page = await newWindow(browser, server.url, complaints);
  await signUp(page, "Sam Ito", "sam@example.com");
  const tess = await guest("Tess Ude", "tess@example.com");
  const me = await page.evaluate(async () => (await (await fetch("/api/auth/check")).json()) as User);
  for (let n = 1; n <= LONG_HISTORY_LEN; n++) await tess.sayTo(me._id, `message ${n}.`);
  await page.reload();

  // Older pages come only when the test has looked where the reader is.
  const asked: Request[] = [];
  let release = () => {};
  await page.route("**/api/messages/*before=*", async (route) => {
    asked.push(route.request());
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    await route.continue();
  });
  await open(page, "Tess Ude");
  await bubble(page, `message ${LONG_HISTORY_LEN}.`).waitFor();

  await step("older messages come when one scrolls up, and what one reads stays in place", async () => {
    for (;;) {
      await scrollToTop(page);
      const first = (await texts(page))[0];
      if (first === "message 1.") break;
      await until(page, () => document.querySelector(".older")?.textContent === "Loading…");
      const before = await holdPlace(page);
      release();
      await page.waitForFunction(
        (known) => document.querySelector(".message p")?.textContent !== known,
        first,
      );
      const after = await placeHeld(page);
      assert.ok(Math.abs(after - before) <= 1, `${first} moved by ${after - before} px`);
    }
    assert.ok(asked.length >= 10);
  });

  await step("the stretch on screen is bounded and without gaps", async () => {
    const shown = await texts(page);
    assert.ok(shown.length <= 1_000, `${shown.length} messages are kept`);
    assert.deepEqual(
      shown,
      shown.map((_, i) => `message ${i + 1}.`),
    );
  });

  await step("what arrives meanwhile is announced, and not put behind an older message", async () => {
    await tess.sayTo(me._id, "the very latest");
    await row(page, "Tess Ude").filter({ hasText: "the very latest" }).waitFor();
    assert.ok(!(await texts(page)).includes("the very latest"));
    await page.getByRole("button", { name: "Jump to the latest message" }).click();
    await bubble(page, "the very latest").waitFor();
    await bubble(page, `message ${LONG_HISTORY_LEN}.`).waitFor();
    const shown = await texts(page);
    assert.deepEqual(shown.slice(-3), [
      `message ${LONG_HISTORY_LEN - 1}.`,
      `message ${LONG_HISTORY_LEN}.`,
      "the very latest",
    ]);
  });
});

test("the browser had nothing to complain about", () => assert.deepEqual(complaints, []));

async function guest(fullName: string, email: string): Promise<Guest> {
  const joined = await Guest.join(server.url, fullName, email);
  guests.push(joined);
  return joined;
}

const direction = (page: Page, selector: string) =>
  page.locator(selector).evaluate((element) => getComputedStyle(element).direction);

const names = (page: Page) => page.locator(".people .row .row-name").allInnerTexts();

const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();

const until = (page: Page, condition: () => boolean) => page.waitForFunction(condition);

/** Two frames on: scroll events and observers have run. */
const settledFrames = (page: Page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

async function scrollToTop(page: Page) {
  await page.locator(".messages").evaluate((box) => box.scrollTo({ top: -box.scrollHeight }));
  await settledFrames(page);
}

/** Marks the first message in view, and says where it is. */
const holdPlace = (page: Page) =>
  page.evaluate(() => {
    const edge = document.querySelector(".messages")?.getBoundingClientRect().top ?? 0;
    const inView = [...document.querySelectorAll(".message")].find(
      (element) => element.getBoundingClientRect().bottom > edge,
    );
    inView?.setAttribute("data-read", "");
    return inView?.getBoundingClientRect().top ?? Number.NaN;
  });

async function placeHeld(page: Page): Promise<number> {
  await settledFrames(page);
  return page.evaluate(() => {
    const read = document.querySelector("[data-read]");
    read?.removeAttribute("data-read");
    return read?.getBoundingClientRect().top ?? Number.NaN;
  });
}
