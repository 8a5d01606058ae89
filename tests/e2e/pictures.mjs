// Colours of what is painted: screenshots of elements, read in a page of their own.

/** Contrast of two colours `[r, g, b]` by WCAG, 1 to 21. */
export function contrast(a, b) {
  const luminance = (color) =>
    color
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
      .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
  const [high, low] = [luminance(a), luminance(b)].toSorted((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

export class Pictures {
  static async open(chrome) {
    const pictures = new Pictures();
    pictures.page = await chrome.newPage();
    return pictures;
  }
  /**
   * Returns the picture of a part of the window: width, height and `at(x, y)`, the colour of a pixel. `around` adds
   * pixels outside of the element.
   */
  async of(locator, around = 0) {
    await locator.scrollIntoViewIfNeeded();
    const box = await locator.boundingBox();
    const clip = {
      x: Math.max(0, box.x - around),
      y: Math.max(0, box.y - around),
      width: box.width + 2 * around,
      height: box.height + 2 * around,
    };
    const png = (await locator.page().screenshot({ clip, animations: "disabled", caret: "hide" })).toString("base64");
    const { width, height, base64 } = await this.page.evaluate(async (data) => {
      const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
      context.drawImage(bitmap, 0, 0);
      const pixels = context.getImageData(0, 0, bitmap.width, bitmap.height).data;
      let text = "";
      for (let i = 0; i < pixels.length; i += 8192) text += String.fromCharCode(...pixels.subarray(i, i + 8192));
      return { width: bitmap.width, height: bitmap.height, base64: btoa(text) };
    }, png);
    const pixels = Buffer.from(base64, "base64");
    const at = (x, y) => [...pixels.subarray((y * width + x) * 4, (y * width + x) * 4 + 3)];
    return { width, height, at };
  }
  /** Returns the colours of a picture with their share, the most frequent first. */
  colors({ width, height, at }) {
    const counts = new Map();
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const color = at(x, y).join();
        counts.set(color, (counts.get(color) ?? 0) + 1);
      }
    return [...counts]
      .map(([color, count]) => ({ color: color.split(",").map(Number), share: count / (width * height) }))
      .toSorted((a, b) => b.share - a.share);
  }
  async close() {
    await this.page.close();
  }
}
