import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { Guest } from "./guest.ts";
import { drawPictures, sideBySide } from "./scenery.ts";
import { Server } from "./server.ts";
import { bubble, newWindow, open, PASSWORD, row, say, signUp, step, texts } from "./window.ts";

const screenshots = process.env.SCREENSHOT_DIR;

let server: Server;
let browser: Browser;
const guests: Guest[] = [];
/** What the browser complained about: a blocked resource, an uncaught error. */
const complaints: string[] = [];

before(async () => {
  if (screenshots) await mkdir(screenshots, { recursive: true });
  server = await Server.create();
  await server.start();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium" });
});

after(async () => {
  for (const guest of guests) guest.leave();
  await browser?.close();
  await server?.destroy();
});

test("two people talk, lose the server, and lose no message", async () => {
  const pictures = await drawPictures(browser);
  const ana = await newWindow(browser, server.url, complaints);
  const ben = await newWindow(browser, server.url, complaints);

  await step("they sign up and see each other online", async () => {
    await signUp(ana, "Ana Rivera", "ana@example.com", screenshots && path.join(screenshots, "sign-up.png"));
    await signUp(ben, "Ben Okafor", "ben@example.com");
    await row(ana, "Ben Okafor Online").waitFor();
    await row(ben, "Ana Rivera Online").waitFor();
  });

  await step("they change their profile pictures", async () => {
    await ana.getByLabel("Change profile picture").setInputFiles(pictures.ana);
    await ben.getByLabel("Change profile picture").setInputFiles(pictures.ben);
    for (const page of [ana, ben]) await isPainted(page, ".me .avatar img");
  });

  await step("text goes both ways, and counts as unread until it is opened", async () => {
    await open(ana, "Ben Okafor");
    await say(ana, "Hi Ben! Are you back from the lake?");
    const unread = row(ben, "1 unread");
    await unread.waitFor();
    assert.equal(await ben.title(), "(1) Sockeye");
    await open(ben, "Ana Rivera");
    await bubble(ben, "Are you back from the lake?").waitFor();
    await unread.waitFor({ state: "detached" });
    await say(ben, "Since this morning. The salmon are running!");
    await bubble(ana, "The salmon are running!").waitFor();
  });

  await step("pictures go both ways: chosen, and pasted", async () => {
    await ben.getByLabel("Add a picture").setInputFiles(pictures.lake);
    await ben.getByAltText("To be sent").waitFor();
    await say(ben, "Look at this evening");
    await isPainted(ana, ".message:not(.mine) .picture img");
    await paste(ana, pictures.morning.buffer);
    await ana.getByAltText("To be sent").waitFor();
    await say(ana, "");
    await isPainted(ben, ".message:not(.mine) .picture img");
    await ben.getByRole("button", { name: "Enlarge picture" }).last().click();
    await ben.getByRole("dialog", { name: "Picture" }).waitFor();
    await ben.keyboard.press("Escape");
    await ben.getByRole("dialog").waitFor({ state: "detached" });
  });

  await step("a reload shows the same conversation", async () => {
    const shown = await texts(ana);
    await ana.reload();
    await bubble(ana, "The salmon are running!").waitFor();
    await ana.getByText("Connected").waitFor();
    assert.deepEqual(await texts(ana), shown);
  });

  await step("an answer that never came is marked, and its retry makes no second message", async () => {
    // The server gets the message and only its answer is lost.
    await ana.route("**/api/messages/send/*", async (route) => {
      await route.fetch();
      await route.abort();
    });
    await say(ana, "Mine is from Sunday. Yours goes on my wall!");
    await ana.getByText("Not sent.").waitFor();
    await bubble(ben, "Mine is from Sunday. Yours goes on my wall!").waitFor();
    await ana.unroute("**/api/messages/send/*");
    await ana.getByRole("button", { name: "Retry" }).click();
    await ana.getByText("Not sent.").waitFor({ state: "detached" });
    await say(ben, "I have three more. Coming over tonight?");
    await bubble(ana, "Coming over tonight?").waitFor();
    assert.deepEqual(await texts(ben), await texts(ana));
    assert.equal((await texts(ben)).filter((text) => text.includes("on my wall")).length, 1);
  });

  await step("the server restarts: both see it, and what was sent meanwhile arrives", async () => {
    await server.stop();
    for (const page of [ana, ben]) await page.getByText("Connection lost. Reconnecting…").waitFor();
    if (screenshots) await ana.screenshot({ path: path.join(screenshots, "reconnecting.png") });
    await say(ana, "Around eight. I bring bread.");
    await ana.getByText("Not sent.").waitFor();
    // Ben is kept away until the message is in: it must reach him although he was not there.
    await ben.context().setOffline(true);
    await ben.getByText("You are offline.").waitFor();
    await server.start();
    await ana.getByText("Back online.").waitFor();
    await ana.getByRole("button", { name: "Retry" }).click();
    await ana.getByText("Not sent.").waitFor({ state: "detached" });
    await ben.context().setOffline(false);
    await ben.getByText("Back online.").waitFor();
    await bubble(ben, "I bring bread.").waitFor();
    await row(ana, "Ben Okafor Online").waitFor();
    assert.deepEqual(await texts(ben), await texts(ana));
  });

  await step("newcomers appear at once, with what they write", async () => {
    const joon = await Guest.join(server.url, "Joon Park", "joon@example.com");
    await row(ana, "Joon Park Online").waitFor();
    joon.leave();
    const mara = await Guest.join(server.url, "Mara Lind", "mara@example.com");
    guests.push(mara);
    await mara.say("Ana Rivera", "Choir is at seven tomorrow");
    await row(ana, "Mara Lind Online Choir is at seven tomorrow").filter({ hasText: "1 unread" }).waitFor();
    await row(ana, "Joon Park Offline").waitFor();
  });

  await step("it looks right on a desk, on a phone and in the dark", async () => {
    if (!screenshots) return;
    for (const page of [ana, ben]) await page.locator(".link-strip").waitFor({ state: "hidden" });
    await sideBySide(browser, ana, ben, path.join(screenshots, "two-windows.png"));
    await ana.setViewportSize({ width: 1280, height: 800 });
    await ana.screenshot({ path: path.join(screenshots, "conversation.png") });
    await ana.emulateMedia({ colorScheme: "dark" });
    await ana.screenshot({ path: path.join(screenshots, "conversation-dark.png") });
    await ben.setViewportSize({ width: 390, height: 844 });
    await ben.screenshot({ path: path.join(screenshots, "phone.png") });
    await ben.getByRole("link", { name: "Back to people" }).click();
    await row(ben, "Ana Rivera Online").waitFor();
    await ben.screenshot({ path: path.join(screenshots, "phone-people.png") });
  });

  await step("who logs out is offline for the others, and must log in again", async () => {
    await ben.getByRole("button", { name: "Log out" }).click();
    await ben.getByRole("heading", { name: "Welcome back" }).waitFor();
    await row(ana, "Ben Okafor Offline").waitFor();
    await ben.reload();
    await ben.getByLabel("Email").fill("ben@example.com");
    if (screenshots) await ben.screenshot({ path: path.join(screenshots, "log-in.png") });
    await ben.getByLabel("Password").fill("wrong horse");
    await ben.getByRole("button", { name: "Log in" }).click();
    await ben.getByText("Invalid credentials").waitFor();
    await ben.getByLabel("Password").fill(PASSWORD);
    await ben.getByRole("button", { name: "Log in" }).click();
    await row(ana, "Ben Okafor Online").waitFor();
  });

  await step("a log-out in one tab ends the session in the other", async () => {
    const second = await ben.context().newPage();
    await second.goto(server.url);
    await second.getByText("Connected").waitFor();
    await second.getByRole("button", { name: "Log out" }).click();
    await ben.getByText("Your session has ended.").waitFor();
  });

  assert.deepEqual(complaints, []);
});

async function paste(page: Page, png: Buffer) {
  await page.getByRole("textbox", { name: "Message to" }).evaluate((field, base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, png.toString("base64"));
}

/** The picture has really been loaded and decoded, not only put into the page. */
async function isPainted(page: Page, selector: string) {
  await page.waitForFunction((css) => {
    const image = document.querySelector<HTMLImageElement>(css);
    return image?.complete && image.naturalWidth > 0;
  }, selector);
}
