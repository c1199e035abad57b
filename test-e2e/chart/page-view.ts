// What a person would see of the page, read from its canvases and its table.
import { type Page } from "puppeteer-core";

/** How many pixels of a panel's canvas have exactly this colour, "#rrggbb". */
export async function pixelsOf(page: Page, panel: string, color: string): Promise<number> {
  const wanted = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  // A text, because this file's types know no canvas.
  return (await page.evaluate(`(() => {
    const canvas = document.querySelector("#${panel} canvas");
    const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (data[at + 3] === 255 && ${wanted.map((part, n) => `data[at + ${n}] === ${part}`).join(" && ")}) count += 1;
    }
    return count;
  })()`)) as number;
}

export async function textOf(page: Page, selector: string): Promise<string> {
  return await page.$eval(selector, (element) => (element as { textContent: string }).textContent);
}

/** Drags over the CPU panel, from one share of its width to another. */
export async function drag(page: Page, from: number, to: number): Promise<void> {
  const box = await (await page.$("#cpu .u-over"))?.boundingBox();
  if (box === null || box === undefined) throw new Error("the page has no panel");
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + from * box.width, y);
  await page.mouse.down();
  await page.mouse.move(box.x + to * box.width, y, { steps: 4 });
  await page.mouse.up();
}

/** Waits until the page has drawn what it was told. */
export async function settled(page: Page): Promise<void> {
  await page.evaluate(
    "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))",
  );
}
