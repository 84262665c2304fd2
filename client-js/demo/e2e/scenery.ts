import type { Browser, Page } from "playwright-core";

interface Light {
  sky: string;
  sun: string;
  far: string;
  near: string;
  lake: string;
}

const evening: Light = {
  sky: "#23345f, #7a4a7c 32%, #ee8660 52%, #ffd9a0 60%",
  sun: "#fff3d4",
  far: "#4c3a63",
  near: "#2b2444",
  lake: "#e58d69, #6d4673 45%, #221f3d",
};

const morning: Light = {
  sky: "#4f95cf, #a5d2ee 42%, #fbeccb 62%",
  sun: "#fffdf0",
  far: "#7d9fb4",
  near: "#3f6f5e",
  lake: "#dcecec, #69aac0 42%, #1d5c78",
};

const landscape = ({ sky, sun, far, near, lake }: Light) => `<style>
  body { margin: 0; width: 960px; height: 640px; overflow: hidden; position: relative; background: linear-gradient(${sky}); }
  i { position: absolute; display: block; }
  .sun { left: 560px; top: 250px; width: 150px; height: 150px; border-radius: 50%; background: ${sun}; box-shadow: 0 0 120px 40px ${sun}; }
  .far { left: 0; top: 230px; width: 100%; height: 170px; background: ${far}; clip-path: polygon(0 60%, 12% 20%, 22% 52%, 35% 4%, 50% 66%, 63% 38%, 76% 70%, 88% 30%, 100% 58%, 100% 100%, 0 100%); }
  .near { left: 0; top: 290px; width: 100%; height: 130px; background: ${near}; clip-path: polygon(0 40%, 16% 74%, 30% 46%, 44% 84%, 60% 70%, 80% 88%, 92% 52%, 100% 66%, 100% 100%, 0 100%); }
  .lake { left: 0; top: 400px; width: 100%; height: 240px; background: linear-gradient(${lake}); }
  .glint { left: 575px; top: 404px; width: 120px; height: 190px; background: repeating-linear-gradient(${sun} 0 5px, transparent 5px 17px); clip-path: polygon(0 0, 100% 0, 70% 100%, 30% 100%); opacity: .8; }
</style><i class="sun"></i><i class="far"></i><i class="near"></i><i class="lake"></i><i class="glint"></i>`;

const portrait = (back: string, skin: string, hair: string, shirt: string) => `<style>
  body { margin: 0; width: 240px; height: 240px; overflow: hidden; position: relative; background: ${back}; }
  i { position: absolute; display: block; }
  .hair { left: 62px; top: 36px; width: 116px; height: 126px; border-radius: 58px 58px 40px 40px; background: ${hair}; }
  .neck { left: 104px; top: 138px; width: 32px; height: 50px; background: ${skin}; filter: brightness(.9); }
  .face { left: 78px; top: 64px; width: 84px; height: 98px; border-radius: 42px 42px 46px 46px; background: ${skin}; }
  .fringe { left: 72px; top: 48px; width: 98px; height: 38px; border-radius: 50px 50px 60px 6px; background: ${hair}; }
  .shirt { left: 40px; top: 176px; width: 160px; height: 100px; border-radius: 70px 70px 0 0; background: ${shirt}; }
  .smile { left: 104px; top: 124px; width: 32px; height: 14px; border-radius: 0 0 20px 20px; background: #fff; }
  .eye { top: 102px; width: 8px; height: 9px; border-radius: 50%; background: #2a2220; }
</style><i class="hair"></i><i class="neck"></i><i class="shirt"></i><i class="face"></i><i class="fringe"></i><i class="smile"></i><i class="eye" style="left:98px"></i><i class="eye" style="left:134px"></i>`;

/** Pictures for the story, drawn here. */
export async function drawPictures(browser: Browser) {
  const page = await browser.newPage();
  const pictures = {
    lake: file("lake.png", await draw(page, landscape(evening), 960, 640)),
    morning: file("morning.png", await draw(page, landscape(morning), 960, 640)),
    ana: file("ana.png", await draw(page, portrait("#f3c9a5", "#d99a6c", "#3a231b", "#23786c"), 240, 240)),
    ben: file("ben.png", await draw(page, portrait("#a9c8de", "#8d5b3e", "#17130f", "#d7a13a"), 240, 240)),
  };
  await page.close();
  return pictures;
}

async function draw(page: Page, html: string, width: number, height: number): Promise<Buffer> {
  await page.setViewportSize({ width, height });
  await page.setContent(html);
  return page.screenshot();
}

const file = (name: string, buffer: Buffer) => ({ name, mimeType: "image/png", buffer });

/** Two windows beside each other, as one picture of 1680 x 860. */
export async function sideBySide(browser: Browser, left: Page, right: Page, path: string): Promise<void> {
  const [a, b] = [await left.screenshot(), await right.screenshot()].map((png) => png.toString("base64"));
  const page = await browser.newPage({ viewport: { width: 1680, height: 860 } });
  const desk = `<style>
    body { margin: 0; height: 860px; display: flex; align-items: center; justify-content: center; gap: 28px;
      background: linear-gradient(120deg, #efc3ae, #c76b5a 55%, #7b4467); }
    div { border-radius: 12px; overflow: hidden; background: #e9e3de; box-shadow: 0 18px 50px rgb(50 10 10 / 40%); }
    div::before { content: ""; display: block; height: 32px;
      background: radial-gradient(circle at 20px 16px, #e8695b 6px, transparent 7px), radial-gradient(circle at 40px 16px, #edbb4f 6px, transparent 7px), radial-gradient(circle at 60px 16px, #62bd68 6px, transparent 7px); }
    img { display: block; width: 790px; height: 740px; }
  </style>`;
  await page.setContent(
    `${desk}<div><img src="data:image/png;base64,${a}"></div><div><img src="data:image/png;base64,${b}"></div>`,
  );
  await page.screenshot({ path });
  await page.close();
}
