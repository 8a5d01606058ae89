// Takes a screenshot of every screen and state on the data of the fixture, and lists errors, pages wider than the
// window, controls that are too small and siblings that overlap. Writes an index.html with all pictures.
// Usage: node scripts/shots.mjs [name-filter] [--all] [--axe] [--no-pictures] [--out DIR]
//   --all          four themes, English and Arabic, forced colours (default: paper and night, the language of the state)
//   --axe          also lists the accessibility violations that axe finds
//   --no-pictures  only the lists
// Starts Vite by itself. Environment: CARREL_UI (address of a running UI instead), SIZES (narrow, phone, portrait,
// desktop, wide), THEMES, LANGS (en, ar, fr), CHROMIUM (path). Exit code 1 for errors, wide pages and axe violations.
import { mkdirSync, readFileSync, existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { findLayoutFaults } from "./layout.mjs";

const args = process.argv.slice(2);
const out = args.includes("--out") ? args[args.indexOf("--out") + 1] : "shots";
const axe = args.includes("--axe");
const all = args.includes("--all");
const hasPictures = !args.includes("--no-pictures");
const filter = args.find((a, i) => !a.startsWith("--") && args[i - 1] !== "--out") ?? "";
const axeSource = axe ? readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8") : "";
if (hasPictures) mkdirSync(out, { recursive: true });

/** Starts Vite on a free port, unless CARREL_UI names a running UI. */
async function startUi() {
  if (process.env.CARREL_UI) return { base: process.env.CARREL_UI, close: () => undefined };
  const { createServer } = await import("vite");
  const root = fileURLToPath(new URL("..", import.meta.url));
  const server = await createServer({ root, logLevel: "error", server: { port: 5273, strictPort: false } });
  await server.listen();
  return { base: server.resolvedUrls.local[0].replace(/\/$/, ""), close: () => server.close() };
}

/** Windows by name. The first three have a touch screen. */
const windows = {
  narrow: { width: 320, height: 568 },
  phone: { width: 390, height: 844 },
  portrait: { width: 820, height: 1180 },
  desktop: { width: 1280, height: 800 },
  wide: { width: 1920, height: 1080 },
};
const hasTouch = new Set(["narrow", "phone", "portrait"]);
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
  ["learners", "learners", ""],
  ["learners-manage", "learners", "", click(".manage")],
  ["learners-pin", "learners", "", click("li:nth-child(2) .learner")],
  ["learners-remove", "learners", "", seq(click(".manage"), click("li:nth-child(3) .row .button:last-child"))],
  ["welcome-signin", "first", "", seq(type("#address", "school.example"), click(".inline .button"))],
  ["story-page", "", "book/the-sea-in-the-radio"],
  ["story-sheet", "", "story/the-sea-in-the-radio", click(".language")],
  [
    "story-two",
    "",
    "story/the-sea-in-the-radio",
    seq(
      click(".language"),
      async (p) => p.locator("#second").selectOption("la-mer-dans-la-radio"),
      press("Escape"),
      async (p) => p.waitForTimeout(300),
    ),
  ],
  [
    "several",
    "",
    "?tab=stories",
    seq(click(".several .link"), click(".rows .item"), click(".rows li:nth-child(3) .item")),
  ],
  ["languages", "first", "", click(".reads")],
  ["teacher", "offline", "sync", click(".section-head .link.small")],
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

const list = (name, fallback) => (process.env[name] ?? fallback).split(",");
const sizes = list("SIZES", "desktop,phone");
const themes = list("THEMES", all ? "paper,night,sepia,contrast" : "paper,night");
/** "" is the language of the state: English, unless the state names another one. */
const langs = list("LANGS", all ? ",ar" : "");
const variants = sizes.flatMap((size) => [
  ...themes.flatMap((theme) => langs.map((lang) => ({ size, theme, lang, isForced: false }))),
  ...(all ? langs.map((lang) => ({ size, theme: "paper", lang, isForced: true })) : []),
]);

const ui = await startUi();
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

/** Findings by kind: text of the finding to the pictures in which it occurs. */
const found = { error: new Map(), overflow: new Map(), axe: new Map(), overlap: new Map(), target: new Map() };
const pictures = [];
function report(kind, text, picture) {
  if (!found[kind].has(text)) found[kind].set(text, []);
  found[kind].get(text).push(picture);
  if (kind === "error" || kind === "axe") console.log(`${picture}: ${kind}: ${text}`);
}

async function take(context, [name, options, path, steps], { size, theme, lang, isForced }) {
  // A state in Arabic or French keeps its language.
  const hasLang = /(^|-)(ar|fr)(-|$)/.test(options);
  if (hasLang && lang) return;
  const full = [name, size, isForced ? "forced" : theme, lang].filter(Boolean).join("-");
  if (filter && !full.includes(filter)) return;
  const page = await context.newPage();
  page.on("pageerror", (error) => report("error", `page error: ${error.message}`, full));
  page.on("console", (m) => {
    if (m.type() === "error" && !name.startsWith("failed-") && !/Failed to load resource/.test(m.text()))
      report("error", `console error: ${m.text().slice(0, 300)}`, full);
  });
  // Simulates a chunk that cannot be loaded.
  if (name === "failed-chunk") await page.route("**/Sync.svelte*", (route) => route.abort());
  const fixture = [options, theme, hasLang ? "" : lang || "en"].filter(Boolean).join("-");
  await page.goto(`${ui.base}/?fixture=${fixture}#/${path}`);
  await page.waitForSelector("h1", { timeout: 15000 }).catch(() => report("error", "no h1 within 15 s", full));
  await page.evaluate(() => document.fonts.ready);
  await page.waitForTimeout(250);
  try {
    if (steps) await steps(page);
  } catch (error) {
    report("error", `step failed: ${error.message.split("\n")[0]}`, full);
  }
  await page.waitForTimeout(100);
  const minimum = hasTouch.has(size) || windows[size].width <= 640 ? 44 : 24;
  for (const fault of await page.evaluate(findLayoutFaults, minimum)) report(fault.kind, fault.text, full);
  if (hasPictures) await page.screenshot({ path: `${out}/${full}.png` });
  pictures.push({ full, name });
  if (axe) {
    await page.evaluate(axeSource);
    const violations = await page.evaluate(async () => {
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
    for (const v of violations) report("axe", `${v.id} (${v.impact})\n    ${v.nodes.join("\n    ")}`, full);
  }
  await page.close();
}

/** Writes a page with the findings and all pictures, grouped by state. */
function writeIndex() {
  const safe = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");
  const link = (full) => `<a href="#${full}">${full}</a>`;
  const lists = Object.entries(found).map(([kind, texts]) => {
    const items = [...texts].map(([text, where]) => `<li>${safe(text)}<br>${where.map(link).join(", ")}</li>`);
    return `<details><summary>${kind}: ${texts.size}</summary><ul>${items.join("")}</ul></details>`;
  });
  const groups = [...new Set(pictures.map((p) => p.name))].map((name) => {
    const figures = pictures
      .filter((p) => p.name === name)
      .map(
        ({ full }) =>
          `<figure id="${full}"><a href="${full}.png"><img loading="lazy" src="${full}.png" alt="${full}"></a><figcaption>${full}</figcaption></figure>`,
      );
    return `<section><h2>${name}</h2><div>${figures.join("")}</div></section>`;
  });
  writeFileSync(
    `${out}/index.html`,
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>Screens</title><style>body{font:14px/1.4 system-ui;margin:2rem}div{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;max-width:24rem}img{max-height:24rem;max-width:100%;border:1px solid}:target img{outline:4px solid}</style><h1>${pictures.length} pictures</h1>${lists.join("")}${groups.join("")}</html>\n`,
  );
}

for (const variant of variants) {
  const touch = hasTouch.has(variant.size);
  const context = await browser.newContext({
    viewport: windows[variant.size],
    hasTouch: touch,
    isMobile: touch,
    reducedMotion: "reduce",
    forcedColors: variant.isForced ? "active" : "none",
    deviceScaleFactor: 1,
  });
  // The app does the same (`freezePrototype` of Tauri).
  await context.addInitScript(() => Object.freeze(Object.prototype));
  for (const state of states) await take(context, state, variant);
  await context.close();
}
await browser.close();
await ui.close();
if (hasPictures) writeIndex();
for (const kind of ["overflow", "overlap", "target"])
  for (const [text, where] of found[kind])
    console.log(`${kind}: ${text}: ${where[0]}${where.length > 1 ? ` and ${where.length - 1} more` : ""}`);
console.log(
  `${pictures.length} pictures; ${Object.entries(found)
    .map(([kind, texts]) => `${kind} ${texts.size}`)
    .join(", ")}`,
);
process.exitCode = found.error.size + found.overflow.size + found.axe.size > 0 ? 1 : 0;
