// Narrow windows, 400 % zoom, targets, forced colours and writing directions, on a device with content and work.
import { findLayoutFaults } from "../../ui/scripts/layout.mjs";
import { TEST_COURSE } from "./course.mjs";
import { browser, Device, LOGIN, PASSWORD, TestServer } from "./environment.mjs";
import {
  desktop,
  expectThat,
  goTo,
  heading,
  open,
  phone,
  run,
  scenario,
  see,
  step,
  waitUntilLoaded,
} from "./keyboard.mjs";
import { contrast, Pictures } from "./pictures.mjs";

const [LAMP, ARABIC] = ["the-lamp-by-the-sea", "al-qitta-allati-lam-tasal"];
const QUIZ = `#/read/${TEST_COURSE}/quiz/check`;
/** Name, address and heading of each screen, in English. */
const SCREENS = [
  ["library", "#/", "Library"],
  ["library, stories", "#/?tab=stories", "Library"],
  ["search", "#/?q=river", "Library"],
  ["course", "#/course/how-rivers-work", "How Rivers Work"],
  ["lesson", "#/read/how-rivers-work/meanders/read", "Why rivers wander"],
  ["quiz", QUIZ, "Springs"],
  ["page of a story", `#/book/${LAMP}`, "The Lamp by the Sea"],
  ["story", `#/story/${LAMP}`, "The Lamp by the Sea"],
  ["review", "#/review", "Review"],
  ["progress", "#/progress", "Progress"],
  ["sync", "#/sync", "Sync"],
  ["settings", "#/settings", "Settings"],
  ["storage", "#/storage", "Storage"],
  ["welcome", "#/welcome", "Learn anywhere, online or offline"],
];
const button = (page, name) => page.getByRole("button", { name });

/** Opens the question `number` (from 1) of a new attempt at the test quiz. */
async function openQuiz(page, number = 1) {
  await goTo(page, QUIZ, "Springs");
  const begin = button(page, /^(Start|Continue|Try again)$/);
  await page.locator(".stage .head").or(begin).first().waitFor();
  if (await button(page, "Try again").isVisible()) await tryAgain(page);
  else if (await begin.isVisible()) await begin.click();
  // An attempt that was left open is finished.
  while ((await questionNumber(page)) > 1) await goOn(page);
  for (let n = 1; n < number; n++) await goOn(page);
}
/** Starts a new attempt. The grade of the server, which moves the button, is waited for. */
async function tryAgain(page) {
  await page.getByText("Confirmed by the school").first().waitFor();
  await button(page, "Try again").click();
}
/** Waits for a question, and returns its number. After the result it starts a new attempt. */
async function questionNumber(page) {
  const eyebrow = page.locator(".stage .eyebrow");
  const again = button(page, "Try again");
  for (;;) {
    await eyebrow.or(again).first().waitFor();
    if (await again.isVisible()) {
      await tryAgain(page);
      await eyebrow.waitFor();
    }
    // The result may replace the last question between the two lines.
    const text = await eyebrow.innerText({ timeout: 1_000 }).catch(() => "");
    if (text) return Number(/\d+/.exec(text)[0]);
  }
}
/** Answers the open question and goes to the next one, or to the result. */
async function goOn(page) {
  const number = await questionNumber(page);
  await answerWrongly(page);
  await button(page, /^(Next question|See the result)$/).click();
  await expectThat("the next question", async () => (await questionNumber(page)) !== number);
}
async function answerWrongly(page) {
  const choice = page.locator(".stage .choice").first();
  if (await choice.isVisible()) await choice.click();
  for (const gap of await page.locator(".stage .gap").all()) await gap.fill("stone");
  if (await page.locator(".stage .left").count()) {
    await page.locator(".stage .left").first().focus();
    for (const key of ["b", "a"]) await page.keyboard.press(key);
  }
  await button(page, "Check").click();
  await page.locator("[data-result]").waitFor();
}

/** Number of lines of the story's text that are wholly between the header and the player at the best scroll position. */
const visibleLines = (page) =>
  page.evaluate(() => {
    const lines = () => {
      const [header, footer] = ["header", "footer"].map((name) => document.querySelector(`.story > ${name}`));
      const isFixed = (e) => ["sticky", "fixed"].includes(getComputedStyle(e).position);
      const top = isFixed(header) ? header.getBoundingClientRect().bottom : 0;
      const bottom = isFixed(footer) ? footer.getBoundingClientRect().top : innerHeight;
      const range = document.createRange();
      range.selectNodeContents(document.querySelector(".story .text .first"));
      const found = [...range.getClientRects()].filter((r) => r.height > 8 && r.top >= top && r.bottom <= bottom);
      return new Set(found.map((r) => Math.round(r.bottom / 6))).size;
    };
    const first = lines();
    let best = first;
    for (let y = 0; y < document.documentElement.scrollHeight; y += 20) {
      scrollTo(0, y);
      best = Math.max(best, lines());
    }
    scrollTo(0, 0);
    return { first, best };
  });

async function layout(chrome, device) {
  const check = async (page, minimum) => {
    const faults = [];
    for (const [name, hash, title] of SCREENS) {
      if (name === "quiz") await openQuiz(page);
      else await goTo(page, hash, title);
      await waitUntilLoaded(page);
      for (const fault of await page.evaluate(findLayoutFaults, minimum))
        faults.push(`${name}: ${fault.kind}: ${fault.text}`);
    }
    await expectThat(
      `nothing outside of the window, no control under ${minimum} px`,
      async () => faults.length === 0 || faults.join("\n    "),
      0,
    );
  };
  const sizes = [
    ["320 px", { width: 320, height: 568 }, 44, {}],
    ["400 % zoom", { width: 320, height: 256 }, 24, { isMobile: false, hasTouch: false, deviceScaleFactor: 4 }],
    ["phone, sizes for touch", phone, 44, {}],
    ["tablet, sizes for touch", { width: 820, height: 1180 }, 44, { hasTouch: true, isMobile: true }],
  ];
  for (const [name, viewport, minimum, options] of sizes) {
    const page = await open(chrome, device, viewport, "paper", options);
    await heading(page, "Library");
    await scenario(`${name}: every screen`, () => check(page, minimum));
    await scenario(`${name}: the text of a story`, async () => {
      await goTo(page, `#/story/${LAMP}`, "The Lamp by the Sea");
      await waitUntilLoaded(page);
      const lines = await visibleLines(page);
      console.log(`    ${JSON.stringify(lines)}`);
      await expectThat("4 lines of the story above the player", async () => lines.best >= 4 || lines, 0);
    });
    page.assertNoErrors();
    await page.context().close();
  }
}

/** In a contrast theme: what differs only by colour in other themes. */
async function forcedColors(chrome, device, scheme) {
  const page = await open(chrome, device, desktop, "paper", { forcedColors: "active", colorScheme: scheme });
  const pictures = await Pictures.open(chrome);
  await heading(page, "Library");
  const main = async (locator, around) => pictures.colors(await pictures.of(locator, around))[0].color;
  const differ = async (expected, a, b) =>
    expectThat(`${expected}: contrast of at least 3`, async () => contrast(a, b) >= 3 || [a, b], 0);
  const style = (locator, name, pseudo) =>
    locator.evaluate((e, [property, part]) => getComputedStyle(e, part)[property], [name, pseudo]);

  await scenario(`contrast theme, ${scheme}: bars of progress`, async () => {
    for (const [hash, title, selector] of [
      ["#/course/how-rivers-work", "How Rivers Work", ".info .line[role=progressbar]"],
      ["#/", "Library", ".cover .read"],
    ]) {
      await goTo(page, hash, title);
      const bar = page.locator(selector).first();
      await bar.waitFor();
      const picture = await pictures.of(bar);
      const y = Math.floor(picture.height / 2);
      await differ(`${selector}: the finished part and the rest`, picture.at(3, y), picture.at(picture.width - 4, y));
    }
    await goTo(page, "#/storage", "Storage");
    const kinds = pictures.colors(await pictures.of(page.locator('.bar[role="img"]').first()));
    await expectThat(
      "storage: kinds of content that differ",
      async () =>
        kinds.some(({ color, share }) => share > 0.05 && contrast(color, kinds[0].color) >= 3) || kinds.slice(0, 4),
      0,
    );
    await goTo(page, "#/progress", "Progress");
    const day = page.locator(".bars .bar.current > span").first();
    await differ("chart: today and the background", await main(day), await main(page.locator("h1")));
  });
  await scenario(`contrast theme, ${scheme}: chips and tabs`, async () => {
    await goTo(page, "#/?tab=stories", "Library");
    const [on, off] = [button(page, "Stories"), button(page, "Courses")];
    await differ("the chosen tab and the other one", await main(on), await main(off));
  });
  await scenario(`contrast theme, ${scheme}: marks of a checked answer`, async () => {
    await openQuiz(page, 2);
    await page.locator(".stage .choice").nth(0).click();
    await page.locator(".stage .choice").nth(3).click();
    await button(page, "Check").click();
    await see(page.locator(".choice[data-mark=wrong]"), "the wrong choice");
    await page.mouse.move(0, 0);
    const borders = {};
    for (const [mark, border] of Object.entries({ right: "solid", wrong: "double", missed: "dashed" })) {
      const choice = page.locator(`.choice[data-mark=${mark}]`).first();
      await expectThat(`a ${border} border of the ${mark} choice`, () =>
        style(choice, "borderTopStyle").then((found) => found === border || found),
      );
      const picture = await pictures.of(choice);
      const back = picture.at(Math.floor(picture.width / 2), 8);
      const strip = (x0, x1, y0, y1) => {
        let text = "";
        for (let y = y0; y < y1; y++)
          for (let x = x0; x < x1; x++) text += contrast(picture.at(x, y), back) >= 3 ? "#" : ".";
        return text;
      };
      borders[mark] = strip(20, 60, 0, 4);
      await expectThat(
        `${mark}: a border that is painted`,
        async () => borders[mark].includes("#") || borders[mark],
        0,
      );
      const badge = pictures.colors(await pictures.of(choice.locator(".badge")));
      await expectThat(
        `${mark}: a badge that is painted`,
        async () => badge.some(({ color }) => contrast(color, badge[0].color) >= 3) || badge.slice(0, 3),
        0,
      );
    }
    await expectThat("three different borders", async () => new Set(Object.values(borders)).size === 3 || borders, 0);
    const dots = await pictures.of(page.locator(".dots"));
    const colors = pictures.colors(dots).filter(({ share }) => share > 0.01);
    await expectThat(
      "the dot of this question differs from the others",
      async () => colors.some(({ color }) => contrast(color, colors[0].color) >= 3) || colors,
      0,
    );
  });
  await scenario(`contrast theme, ${scheme}: highlights of a search and of a narration`, async () => {
    await goTo(page, "#/?q=karstic", "Library");
    const mark = page.locator("mark").first();
    await mark.waitFor();
    await differ("the found word and the background", await main(mark), await main(page.locator("h1")));
    await goTo(page, `#/story/${LAMP}`, "The Lamp by the Sea");
    await button(page, "Read to me").click();
    const now = page.locator(".sentence.now");
    await now.waitFor();
    const paragraph = await main(page.locator("h1"));
    await expectThat("the sentence that is read differs from the page", async () => {
      const color = await now.evaluate((e) => getComputedStyle(e).backgroundColor);
      const rgb = (color.match(/\d+/g) ?? []).slice(0, 3).map(Number);
      return contrast(rgb, paragraph) >= 3 || color;
    });
    const sentence = await pictures.of(now);
    const shares = pictures.colors(sentence).filter(({ share }) => share > 0.05);
    await expectThat(
      "the highlight is painted",
      async () => shares.some(({ color }) => contrast(color, paragraph) >= 3) || shares,
      0,
    );
    await button(page, "Pause").click();
  });
  await scenario(`contrast theme, ${scheme}: the focus`, async () => {
    await goTo(page, "#/settings", "Settings");
    for (const name of ["Switch learner", "Font licences"]) {
      const control = button(page, name);
      const before = pictures.colors(await pictures.of(control, 8));
      await page.keyboard.press("Shift");
      await control.focus();
      await expectThat(`an outline of “${name}”`, () =>
        style(control, "outlineStyle").then((found) => found === "solid" || found),
      );
      const after = pictures.colors(await pictures.of(control, 8));
      const known = new Map(before.map(({ color, share }) => [color.join(), share]));
      const ring = after.filter(({ color, share }) => share - (known.get(color.join()) ?? 0) > 0.01);
      await expectThat(
        `a ring around “${name}” that differs from the page`,
        async () => ring.some(({ color }) => contrast(color, before[0].color) >= 3) || ring,
        0,
      );
    }
  });
  page.assertNoErrors();
  await pictures.close();
  await page.context().close();
}

/** An interface and content of opposite directions. */
async function directions(chrome, device) {
  const page = await open(chrome, device, phone, "paper");
  await heading(page, "Library");
  const direction = (selector) =>
    page
      .locator(selector)
      .first()
      .evaluate((e) => getComputedStyle(e).direction);
  await scenario("an Arabic interface with an English quiz", async () => {
    await openQuiz(page);
    await device.call("set_settings", { language: "ar" });
    await page.reload();
    await page.evaluate((hash) => (location.hash = hash), QUIZ);
    await heading(page, "Springs");
    const start = page.locator(".stage .button").first();
    await start.waitFor();
    if (!(await page.locator(".stage .head").isVisible())) await start.click();
    await page.locator(".stage .head").waitFor();
    await expectThat("the page from right to left", () => page.evaluate(() => document.dir === "rtl"));
    for (const [selector, expected, what] of [
      [".stage .head .eyebrow", "rtl", "“Question 1 of 5” in Arabic"],
      [".stage .actions", "rtl", "the buttons"],
      [".stage .choice", "rtl", "the row of a choice"],
      [".stage .prompt p, .stage .prompt [dir]", "ltr", "the question in English"],
      [".stage .choice .text [dir]", "ltr", "the choice in English"],
    ])
      await expectThat(`${what}: ${expected}`, () => direction(selector).then((found) => found === expected || found));
    const [box, text] = await Promise.all(
      ["input", ".text"].map((part) => page.locator(`.stage .choice ${part}`).first().boundingBox()),
    );
    await expectThat("the box of a choice at the right, where an Arabic line begins", async () => box.x > text.x, 0);
    await expectThat("no page wider than the window", () =>
      page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
    );
  });
  await device.call("set_settings", { language: "en" });
  await page.reload();
  await scenario("an English interface with an Arabic story", async () => {
    await page.evaluate((id) => (location.hash = `#/story/${id}`), ARABIC);
    await page.locator(".story .text").waitFor();
    for (const [selector, expected, what] of [
      [".story > header", "ltr", "the header"],
      [".story .text", "rtl", "the text"],
      [".story h1", "rtl", "the title"],
      [".story .turn", "rtl", "the buttons that turn the page"],
      [".story .controls", "ltr", "the other controls"],
    ])
      await expectThat(`${what}: ${expected}`, () => direction(selector).then((found) => found === expected || found));
    const [next, previous] = await Promise.all(
      ["Next page", "Previous page"].map((name) => button(page, name).boundingBox()),
    );
    await expectThat("“Next page” at the left", async () => next.x < previous.x, 0);
    const touch = await page.context().newCDPSession(page);
    const swipe = async (by) => {
      const send = (type, touchPoints) => touch.send("Input.dispatchTouchEvent", { type, touchPoints });
      await send("touchStart", [{ x: 195, y: 300 }]);
      await send("touchMove", [{ x: 195 + by, y: 300 }]);
      await send("touchEnd", []);
    };
    await swipe(150);
    await see(page.locator('.text[data-page="1"]'), "page 2 after a swipe to the right, as an Arabic book is turned");
    await swipe(-150);
    await see(page.locator('.text[data-page="0"]'), "page 1 after a swipe to the left");
  });
  page.assertNoErrors();
  await page.context().close();
}

async function main() {
  const [server, device] = [new TestServer(), new Device("Laptop")];
  const chrome = await browser();
  try {
    await step("prepare a device with content and work", async () => {
      await server.prepare();
      await server.open();
      await device.open();
      await device.call("sign_in", { address: server.address, login: LOGIN, password: PASSWORD });
      const downloads = [
        ["how-rivers-work", false],
        [TEST_COURSE, false],
        [LAMP, true],
        [ARABIC, true],
      ];
      for (const [id, isStory] of downloads) await device.call("start_download", { id, isStory });
      await expectThat(
        "the content is downloaded",
        async () => {
          const [courses, stories] = [
            await device.call("list_courses", { onDevice: true }),
            await device.call("list_stories", { onDevice: true }),
          ];
          return courses.total + stories.total === downloads.length;
        },
        60_000,
      );
      for (const item of ["down-to-the-sea/map", "down-to-the-sea/read", "meanders/read"])
        await device.call("record_progress", {
          kind: "section",
          item: `how-rivers-work/${item}`,
          percent: 10_000,
          done: true,
          restart: false,
        });
      for (const reading of [true, false])
        await device.call("study_heartbeat", { item: "how-rivers-work/meanders/read", reading });
      await device.call("save_word", { word: `${LAMP}/lighthouse`, saved: true });
      await device.call("sync_now");
    });
    await layout(chrome, device);
    await forcedColors(chrome, device, "light");
    await forcedColors(chrome, device, "dark");
    await directions(chrome, device);
  } finally {
    await chrome.close();
  }
}

await run(main);
