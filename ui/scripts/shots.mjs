// Takes a screenshot of every screen and state on the data of the fixture. With --axe, also lists the accessibility
// violations that axe finds. Requires a running `npm run dev`. Environment: SIZES, THEMES, CARREL_UI (address of the
// UI), CHROMIUM (path). Usage: node scripts/shots.mjs [name-filter] [--axe] [--out DIR]
import { mkdirSync, readFileSync, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const args = process.argv.slice(2);
const out = args.includes("--out") ? args[args.indexOf("--out") + 1] : "shots";
const axe = args.includes("--axe");
const filter = args.find((a, i) => !a.startsWith("--") && args[i - 1] !== "--out") ?? "";
const base = process.env.CARREL_UI ?? "http://127.0.0.1:5173";
const axeSource = axe ? readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8") : "";
mkdirSync(out, { recursive: true });

const desktop = { width: 1280, height: 800 };
const phone = { width: 390, height: 844 };
const click = (selector) => async (page) => {
  await page.locator(selector).first().click();
  await page.waitForTimeout(250);
};
const press =
  (...keys) =>
  async (page) => {
    for (const key of keys) {
      await page.keyboard.press(key);
      await page.waitForTimeout(150);
    }
  };
const seq =
  (...steps) =>
  async (page) => {
    for (const step of steps) await step(page);
  };
const toBottom = async (page) => {
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await page.waitForTimeout(400);
};
const toBlock = (n) => async (page) => {
  await page.evaluate((i) => document.querySelector(`[data-block="${i}"]`)?.scrollIntoView({ block: "start" }), n);
  await page.waitForTimeout(500);
};
const type = (selector, text) => async (page) => {
  await page.fill(selector, text);
  await page.waitForTimeout(500);
};

/** Name, fixture options, route, steps before the screenshot. */
const states = [
  ["library", "", ""],
  ["library-bottom", "", "", toBottom],
  ["library-offline", "offline", ""],
  ["library-empty", "empty-offline", ""],
  ["library-search", "", "", type("[role=search] input", "river")],
  ["library-no-results", "", "", type("[role=search] input", "zzz")],
  ["library-ar", "ar", ""],
  ["welcome", "first", ""],
  ["welcome-error", "first", "", seq(type("#address", "wifi.captive"), click(".inline .button"))],
  ["welcome-signin", "first", "", seq(type("#address", "school.example"), click(".inline .button"))],
  ["course", "offline", "course/how-rivers-work"],
  ["course-not-downloaded", "", "course/bookkeeping"],
  ["course-downloading", "stalled", "course/bookkeeping", seq(click(".download .button"))],
  ["course-metered", "metered", "course/bookkeeping", seq(click(".download .button"))],
  ["course-server", "server", "course/bookkeeping", seq(click(".download .button"))],
  ["course-offline-check", "", "course/how-rivers-work", seq(click(".download .link"))],
  ["course-offline-missing", "damaged", "course/how-rivers-work", seq(click(".download .link"))],
  ["lesson", "otherdevice", "read/how-rivers-work/meanders/read"],
  ["lesson-media", "", "read/how-rivers-work/meanders/read", toBlock(3)],
  [
    "lesson-resume",
    "resume",
    "read/how-rivers-work/meanders/read",
    seq(toBlock(3), click(".player summary"), async (p) => p.waitForTimeout(400), toBlock(3)),
  ],
  ["lesson-table", "", "read/how-rivers-work/meanders/read", toBlock(5)],
  ["lesson-code", "", "read/how-rivers-work/meanders/read", toBlock(6)],
  ["lesson-end", "offline", "read/how-rivers-work/meanders/read", seq(toBottom, click("footer .button.primary"))],
  ["lesson-word", "", "read/how-rivers-work/meanders/read", click("[data-word]")],
  ["lesson-settings", "", "read/how-rivers-work/meanders/read", click(".settings-button")],
  ["lesson-not-downloaded", "notdownloaded", "read/how-rivers-work/meanders/read"],
  ["quiz", "", "read/how-rivers-work/meanders/check", click(".quiz .button.primary")],
  [
    "quiz-checked",
    "",
    "read/how-rivers-work/meanders/check",
    seq(click(".quiz .button.primary"), click(".choice:nth-of-type(2)"), click(".actions .button")),
  ],
  [
    "quiz-fill",
    "",
    "read/how-rivers-work/exam/exam",
    seq(click(".quiz .button.primary"), click(".actions .strong"), click(".actions .strong")),
  ],
  [
    "quiz-order",
    "",
    "read/how-rivers-work/exam/exam",
    seq(
      click(".quiz .button.primary"),
      click(".actions .strong"),
      click(".actions .strong"),
      click(".actions .strong"),
    ),
  ],
  [
    "quiz-match",
    "",
    "read/how-rivers-work/exam/exam",
    seq(
      click(".quiz .button.primary"),
      click(".actions .strong"),
      click(".actions .strong"),
      click(".actions .strong"),
      click(".actions .strong"),
      async (p) => {
        await p.locator(".left").first().focus();
      },
      press("b"),
    ),
  ],
  [
    "quiz-result",
    "",
    "read/how-rivers-work/exam/exam",
    seq(
      click(".quiz .button.primary"),
      click(".choice"),
      click(".actions .strong"),
      click(".actions .strong"),
      click(".actions .strong"),
      click(".actions .strong"),
      click(".actions .primary"),
      click(".note .link"),
    ),
  ],
  ["story", "", "story/the-lamp-by-the-sea", seq(click("button.play"), async (p) => p.waitForTimeout(900))],
  ["story-word", "", "story/the-lamp-by-the-sea", click(".word")],
  ["story-other-device", "otherdevice", "story/the-lamp-by-the-sea"],
  ["story-end", "", "story/the-lamp-by-the-sea", press(...Array(8).fill("ArrowRight"))],
  ["story-ar", "ar", "story/al-qitta-allati-lam-tasal"],
  ["story-zh", "", "story/huo"],
  ["story-credits", "", "story/the-lamp-by-the-sea", click(".tools .icon-button:last-child")],
  ["storage", "", "storage"],
  ["storage-full", "full", "storage"],
  ["storage-remove", "", "storage", click(".courses .icon-button")],
  ["storage-ar", "ar", "storage"],
  ["storage-empty", "empty", "storage"],
  ["review", "", "review"],
  ["review-card", "", "review", click("button.word")],
  ["review-empty", "empty", "review"],
  ["progress", "", "progress"],
  ["progress-table", "", "progress", seq(click("summary"), toBottom)],
  ["progress-empty", "empty", "progress"],
  ["sync", "", "sync"],
  ["sync-offline", "offline", "sync"],
  ["sync-server-error", "server-error", "sync"],
  ["sync-export", "offline", "sync", click(".reason .link")],
  ["sync-demo", "demo", "sync"],
  ["export-courses", "", "", click(".file-actions .link:last-child")],
  ["export-course", "noremovable", "course/how-rivers-work", click(".links .link:nth-child(2)")],
  ["export-running", "stalled", "", seq(click(".file-actions .link:last-child"), click("dialog .primary"))],
  [
    "export-done",
    "",
    "",
    seq(click(".file-actions .link:last-child"), click("dialog .primary"), async (p) => p.waitForTimeout(900)),
  ],
  ["import", "", "", click(".file-actions .link")],
  ["import-confirm", "confirm", "", seq(click(".file-actions .link"), click("dialog .file"))],
  ["import-forged", "forged", "", seq(click(".file-actions .link"), click("dialog .file"))],
  ["import-done", "", "", seq(click(".file-actions .link"), click("dialog .file"), click("dialog .primary"))],
  ["export-work", "", "sync", seq(toBottom, click(".file-actions .button"))],
  [
    "import-claim",
    "claim",
    "sync",
    seq(toBottom, click(".file-actions .button:last-child"), click("dialog li:last-child .file")),
  ],
  [
    "import-other-learner",
    "ar-otherlearner",
    "sync",
    seq(toBottom, click(".file-actions .button:last-child"), click("dialog li:last-child .file")),
  ],
  ["sync-signedout", "signedout", "sync"],
  ["settings", "", "settings"],
  ["settings-bottom", "fr", "settings", toBottom],
  ["settings-ar", "ar", "settings"],
  ["settings-figures", "", "settings", seq(toBottom, click(".figures"))],
  ["settings-figures-ar", "ar", "settings", seq(toBottom, click(".figures"))],
  ["settings-licences", "", "settings", seq(toBottom, click("section:last-of-type .link"))],
  ["settings-address", "", "settings", click(".accounts .plain")],
  [
    "settings-address-other",
    "",
    "settings",
    seq(click(".accounts .plain"), type("#new-address", "other.example"), click("dialog .primary")),
  ],
  ["work-unopened", "unopened", ""],
  ["work-readonly", "readonly", "read/how-rivers-work/meanders/read"],
  ["work-repaired", "repaired", ""],
  ["storage-noindex", "noindex", "storage"],
  ["not-found", "", "nowhere/at/all"],
  ["broken", "broken", ""],
  ["failed-screen", "throws", "progress"],
  ["failed-details", "throws", "progress", click("summary")],
  ["failed-ar", "throws-ar", "progress"],
  ["failed-chunk", "", "sync"],
];

const sizes = [
  ["desktop", desktop],
  ["phone", phone],
].filter(([name]) => (process.env.SIZES ?? "desktop,phone").includes(name));
const themes = (process.env.THEMES ?? "paper,night").split(",");
const executablePath =
  process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((p) => existsSync(p));
const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
  ],
});
let findings = 0;
let errors = 0;
for (const [size, viewport] of sizes) {
  for (const theme of themes) {
    const context = await browser.newContext({
      viewport,
      hasTouch: size === "phone",
      isMobile: size === "phone",
      reducedMotion: "reduce",
      deviceScaleFactor: 1,
    });
    // The app does the same (`freezePrototype` of Tauri).
    await context.addInitScript(() => Object.freeze(Object.prototype));
    for (const [name, options, path, steps] of states) {
      const full = `${name}-${size}-${theme}`;
      if (filter && !full.includes(filter)) continue;
      const page = await context.newPage();
      page.on("pageerror", (error) => {
        errors++;
        console.log(`${full}: page error: ${error.message}`);
      });
      page.on("console", (m) => {
        if (m.type() === "error" && !name.startsWith("failed-") && !/Failed to load resource/.test(m.text())) {
          errors++;
          console.log(`${full}: console error: ${m.text().slice(0, 300)}`);
        }
      });
      // Simulates a chunk that cannot be loaded.
      if (name === "failed-chunk") await page.route("**/Sync.svelte*", (route) => route.abort());
      const lang = /(^|-)(ar|fr)(-|$)/.test(options) ? "" : "-en";
      await page.goto(`${base}/?fixture=${[options, theme].filter(Boolean).join("-")}${lang}#/${path}`);
      await page.waitForSelector("h1", { timeout: 15000 }).catch(() => {
        errors++;
        console.log(`${full}: no h1 within 15 s`);
      });
      await page.evaluate(() => document.fonts.ready);
      await page.waitForTimeout(250);
      try {
        if (steps) await steps(page);
      } catch (error) {
        errors++;
        console.log(`${full}: step failed: ${error.message.split("\n")[0]}`);
      }
      await page.waitForTimeout(100);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (overflow > 0) {
        errors++;
        console.log(`${full}: the page is ${overflow} px wider than the viewport`);
      }
      await page.screenshot({ path: `${out}/${full}.png` });
      if (axe) {
        await page.evaluate(axeSource);
        const result = await page.evaluate(async () => {
          const r = await globalThis.axe.run(document, {
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
          });
          return r.violations.map((v) => ({
            id: v.id,
            impact: v.impact,
            nodes: v.nodes
              .slice(0, 3)
              .map((n) => `${n.target.join(" ")} ${n.any[0]?.message ?? n.all[0]?.message ?? ""}`.slice(0, 260)),
          }));
        });
        for (const v of result) {
          findings++;
          console.log(`${full}: axe ${v.id} (${v.impact})\n    ${v.nodes.join("\n    ")}`);
        }
      }
      await page.close();
    }
    await context.close();
  }
}
await browser.close();
console.log(`${axe ? `${findings} axe violations; ` : ""}${errors} errors`);
process.exitCode = findings + errors > 0 ? 1 : 0;
