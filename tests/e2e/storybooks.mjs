// Every text of a folder of Global Storybooks opens with its pictures, in the direction of its letters; a recording plays
// where there is one. Skipped without CARREL_CONTENT.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { browser, Device, TestServer } from "./environment.mjs";
import { desktop, expectThat, open, run, signIn, step } from "./keyboard.mjs";

const folder = join(process.env.CARREL_CONTENT ?? "", "african-storybook");
const BOOKS = 14;

/** Returns the catalogue's entries of all storybooks. */
async function storybooks(device) {
  const found = [];
  for (let page = 1; ; page++) {
    const { items } = await device.call("list_stories", {
      pageSize: 200,
      page,
      onDevice: false,
    });
    found.push(...items.map((item) => item.story));
    if (items.length === 0) return found.filter((story) => story.id.startsWith("gs-"));
  }
}

/** What the open page shows: language, directions, letters of both directions, pictures. */
const readPage = () => {
  const text = document.querySelector(".story .text");
  const sentences = [...(text?.querySelectorAll(".sentence") ?? [])].map((sentence) => sentence.textContent).join(" ");
  const count = (pattern) => (sentences.match(pattern) ?? []).length;
  const picture = document.querySelector(".story .picture img");
  return {
    title: document.querySelector("h1")?.textContent.trim(),
    lang: text?.lang,
    dir: text && getComputedStyle(text).direction,
    letters: count(/\p{L}/gu),
    rightToLeft: count(/[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Nko}\p{Script=Adlam}\p{Script=Thaana}]/gu),
    picture: !picture || (picture.complete && picture.naturalWidth > 0),
    excess: document.documentElement.scrollWidth - innerWidth,
  };
};

async function main() {
  if (!process.env.CARREL_CONTENT || !existsSync(join(folder, "text"))) {
    console.log("  skipped: CARREL_CONTENT names no folder with african-storybook/text");
    return;
  }
  const [server, device] = [new TestServer(), new Device("Laptop")];
  await step("prepare a server with the storybooks", async () => {
    await server.prepare();
    server.run(["import", folder]);
  });
  await server.open();
  await device.open();
  const chrome = await browser();
  try {
    const page = await open(chrome, device, desktop, "paper");
    let stories = [];
    await step("sign in", async () => {
      await signIn(page, server.address);
      await expectThat(
        "the storybooks are listed",
        async () => (stories = await storybooks(device)).length >= 600,
        60_000,
      );
    });
    const families = new Set(stories.map((story) => story.id.split("-")[1]));
    const langs = new Set(stories.map((story) => story.lang));
    const narrated = stories.filter((story) => story.narrated);
    await step(`${stories.length} texts of ${families.size} books in ${langs.size} languages open`, async () => {
      await expectThat(`${BOOKS} books`, () => families.size === BOOKS || families.size, 0);
      for (const story of stories) {
        await page.evaluate((id) => (location.hash = `#/story/${id}`), story.id);
        const name = `${story.id} (${story.lang})`;
        let seen;
        await expectThat(
          `${name} with its picture`,
          async () => {
            seen = await page.evaluate(readPage);
            return (seen.title === story.title.trim() && seen.lang === story.lang && seen.picture) || seen;
          },
          20_000,
        );
        const dir = seen.rightToLeft * 2 > seen.letters ? "rtl" : "ltr";
        const isRight = seen.dir === dir && seen.letters > 0 && seen.excess <= 0;
        await expectThat(`${name} is ${dir}, with text and inside the window`, () => isRight || seen, 0);
      }
    });
    await step(`the narration of ${narrated.length} texts plays`, async () => {
      for (const story of narrated) {
        await page.evaluate((id) => (location.hash = `#/story/${id}`), story.id);
        await page.locator("h1").filter({ hasText: story.title }).waitFor();
        await page.locator(".story .play").click();
        const played = () => page.evaluate(() => (document.querySelector(".story audio")?.currentTime ?? 0) > 0.2);
        await expectThat(`the narration of ${story.id} plays`, played, 15_000);
        await page.locator(".story .play").click();
      }
    });
    page.assertNoErrors();
  } finally {
    await chrome.close();
  }
}

await run(main);
