import type { Browser, BrowserContext, Page } from "playwright-core";

export const PASSWORD = "correct horse";
const windowSize = { width: 790, height: 740 };
const STEP_TIMEOUT_MS = 20_000;

/** One sentence of the story. The first that fails ends it. */
export async function step(name: string, act: () => Promise<void>) {
  try {
    await act();
  } catch (cause) {
    throw new Error(`failed: ${name}\n${cause}`, { cause });
  }
}

/** A window with a session of its own. What the browser complains about goes to `complaints`. */
export async function newWindow(browser: Browser, url: string, complaints: string[]): Promise<Page> {
  const context: BrowserContext = await browser.newContext({
    viewport: windowSize,
    colorScheme: "light",
    locale: "en-GB",
  });
  context.setDefaultTimeout(STEP_TIMEOUT_MS);
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (entry) => {
    if (/Content Security Policy|Uncaught/.test(entry.text())) complaints.push(entry.text());
  });
  await page.goto(url);
  return page;
}

export async function signUp(page: Page, fullName: string, email: string, screenshot?: string) {
  await page.getByRole("button", { name: "Create an account" }).click();
  await page.getByLabel("Full name").fill(fullName);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(PASSWORD);
  if (screenshot) await page.screenshot({ path: screenshot });
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.getByText("Connected").waitFor();
}

export const row = (page: Page, name: string) => page.getByRole("link", { name });
export const bubble = (page: Page, text: string) => page.locator(".bubble").filter({ hasText: text });
export const open = (page: Page, name: string) => row(page, name).click();

/** Everything said in the open conversation, in order, by whoever said it. */
export const texts = (page: Page) => page.locator(".message .bubble > p").allInnerTexts();

export async function say(page: Page, text: string) {
  await page.getByRole("textbox", { name: "Message to" }).fill(text);
  await page.keyboard.press("Enter");
}
