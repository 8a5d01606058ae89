// Takes a screenshot of every screen and state on the data of the fixture, and lists errors, pages wider than the
// window, controls that are too small and siblings that overlap. Writes an index.html with all pictures.
// Usage: node scripts/shots.mjs [NAME ...] [--all] [--sizes LIST] [--themes LIST] [--langs LIST] [--axe]
//                               [--no-pictures] [--jobs N] [--out DIR]
//   NAME           only pictures whose name contains one of the texts, such as story or quiz-match
//   --all          four themes and forced colours in English and Arabic, the light theme in French
//   --sizes        narrow, phone, portrait, desktop, wide; default desktop,phone
//   --themes       paper, night, sepia, contrast, forced; default paper,night
//   --langs        en, ar, fr; default en
//   --axe          also lists the accessibility violations that axe finds
//   --no-pictures  only the lists
//   --jobs         pages at the same time; default: the number of processors, at most 4
//   --out          folder of the pictures; default `shots`, which Git ignores
// Builds the UI with the fixture into a temporary folder and serves it. CARREL_UI: address of a running UI instead.
// CHROMIUM: path of the browser. Each state is loaded once per size and language; the themes are switched on the page.
// Exit code 1 for errors, wide pages, axe violations and pictures that could not be taken.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { findLayoutFaults } from "./layout.mjs";
import { states } from "./states.mjs";

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: "boolean", default: false },
    axe: { type: "boolean", default: false },
    "no-pictures": { type: "boolean", default: false },
    sizes: { type: "string", default: "desktop,phone" },
    themes: { type: "string" },
    langs: { type: "string" },
    jobs: { type: "string", default: String(Math.min(4, availableParallelism())) },
    out: { type: "string", default: "shots" },
  },
});
const hasPictures = !options["no-pictures"];
const axeSource = options.axe
  ? readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
  : "";

/** Windows by name. The first three have a touch screen. */
const windows = {
  narrow: { width: 320, height: 568 },
  phone: { width: 390, height: 844 },
  portrait: { width: 820, height: 1180 },
  desktop: { width: 1280, height: 800 },
  wide: { width: 1920, height: 1080 },
};
const hasTouch = new Set(["narrow", "phone", "portrait"]);
const allThemes = ["paper", "night", "sepia", "contrast", "forced"];
const allLangs = ["en", "ar", "fr"];

/** Splits a list of the command line. Ends the program for an unknown value. */
function listOf(name, text, known) {
  const list = text.split(",");
  const unknown = list.find((value) => !known.includes(value));
  if (unknown === undefined) return list;
  console.error(`--${name}: "${unknown}" is unknown; use ${known.join(", ")}`);
  process.exit(2);
}
const sizes = listOf("sizes", options.sizes, Object.keys(windows));
const themes = listOf("themes", options.themes ?? (options.all ? allThemes : ["paper", "night"]).join(","), allThemes);
const langs = listOf("langs", options.langs ?? (options.all ? allLangs : ["en"]).join(","), allLangs);

/** The themes of a language: French differs from English in the length of its words only. */
const themesOf = (lang) =>
  options.all && !options.themes && lang === "fr" ? themes.filter((theme) => theme === "paper") : themes;

/** Builds the UI with the fixture and serves it, unless CARREL_UI names a running UI. */
async function startUi() {
  if (process.env.CARREL_UI) return { base: process.env.CARREL_UI, close: () => undefined };
  const { build, preview } = await import("vite");
  const root = fileURLToPath(new URL("..", import.meta.url));
  const outDir = mkdtempSync(join(tmpdir(), "carrel-shots-"));
  const common = { root, logLevel: "error", mode: "fixture", build: { outDir, emptyOutDir: true } };
  await build(common);
  const server = await preview({ ...common, preview: { port: 5273, strictPort: false } });
  return {
    base: server.resolvedUrls.local[0].replace(/\/$/, ""),
    close: async () => {
      await server.close();
      rmSync(outDir, { recursive: true, force: true });
    },
  };
}

/** Findings by kind: text of the finding to the pictures in which it occurs. */
const kinds = ["error", "overflow", "outside", "axe", "overlap", "target"];
const found = Object.fromEntries(kinds.map((kind) => [kind, new Map()]));
const pictures = [];
function report(kind, text, picture) {
  if (!found[kind].has(text)) found[kind].set(text, []);
  const where = found[kind].get(text);
  if (!where.includes(picture)) where.push(picture);
  if (kind === "error" || kind === "axe") console.log(`${picture}: ${kind}: ${text}`);
}

/** Waits until the fonts and the pictures in the window are loaded and two frames are drawn. */
async function settle(page) {
  await page.evaluate(async () => {
    await document.fonts.ready;
    const end = performance.now() + 2000;
    const isLoading = (image) => {
      const box = image.getBoundingClientRect();
      return !image.complete && box.bottom > 0 && box.top < innerHeight && image.checkVisibility();
    };
    while (performance.now() < end && [...document.images].some(isLoading))
      await new Promise((resolve) => setTimeout(resolve, 30));
    for (let i = 0; i < 2; i++) await new Promise((resolve) => requestAnimationFrame(() => resolve()));
  });
}

/** Lists the accessibility violations of a page. */
async function runAxe(page, full) {
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

/** Loads a state once and takes its pictures in each of the themes. */
async function take(browser, base, { state: [name, state, path, steps], size, lang, fixed, wanted }) {
  const nameOf = (theme) => [name, size, theme, fixed || lang === "en" ? "" : lang].filter(Boolean).join("-");
  let full = nameOf(wanted[0]);
  const touch = hasTouch.has(size);
  const context = await browser.newContext({
    viewport: windows[size],
    hasTouch: touch,
    isMobile: touch,
    reducedMotion: "reduce",
    deviceScaleFactor: 1,
  });
  context.setDefaultTimeout(15_000);
  try {
    // The app does the same (`freezePrototype` of Tauri).
    await context.addInitScript(() => Object.freeze(Object.prototype));
    const page = await context.newPage();
    page.on("pageerror", (error) => report("error", `page error: ${error.message}`, full));
    page.on("console", (m) => {
      if (m.type() === "error" && !name.startsWith("failed-") && !/Failed to load resource/.test(m.text()))
        report("error", `console error: ${m.text().slice(0, 300)}`, full);
    });
    // Simulates a chunk that cannot be loaded.
    if (name === "failed-chunk") await page.route(/\/Sync[-.][^/]*$/, (route) => route.abort());
    const theme = wanted[0] === "forced" ? "paper" : wanted[0];
    await page.goto(`${base}/?fixture=${[state, theme, fixed ? "" : lang].filter(Boolean).join("-")}#/${path}`);
    await page.waitForSelector("h1").catch(() => report("error", "no h1 within 15 s", full));
    await settle(page);
    await page.waitForTimeout(100);
    try {
      if (steps) await steps(page);
    } catch (error) {
      report("error", `step failed: ${error.message.split("\n")[0]}`, full);
    }
    if (options.axe) await page.evaluate(axeSource);
    const minimum = touch || windows[size].width <= 640 ? 44 : 24;
    for (const wantedTheme of wanted) {
      full = nameOf(wantedTheme);
      await page.emulateMedia({ forcedColors: wantedTheme === "forced" ? "active" : "none" });
      await page.evaluate(
        (value) => (document.documentElement.dataset.theme = value),
        wantedTheme === "forced" ? "paper" : wantedTheme,
      );
      await settle(page);
      for (const fault of await page.evaluate(findLayoutFaults, minimum)) report(fault.kind, fault.text, full);
      if (hasPictures) await page.screenshot({ path: join(options.out, `${full}.png`) });
      if (options.axe) await runAxe(page, full);
      pictures.push({ full, name });
    }
  } catch (error) {
    report("error", `no picture: ${error.message.split("\n")[0]}`, full);
  } finally {
    await context.close();
  }
}

/** Writes a page with the findings and all pictures, grouped by state. */
function writeIndex() {
  const safe = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");
  const link = (full) => `<a href="#${full}">${full}</a>`;
  const lists = Object.entries(found).map(([kind, texts]) => {
    const items = [...texts].map(([text, where]) => `<li>${safe(text)}<br>${where.map(link).join(", ")}</li>`);
    return `<details><summary>${kind}: ${texts.size}</summary><ul>${items.join("")}</ul></details>`;
  });
  const groups = states.map(([name]) => {
    const figures = pictures
      .filter((p) => p.name === name)
      .map(
        ({ full }) =>
          `<figure id="${full}"><a href="${full}.png"><img loading="lazy" src="${full}.png" alt="${full}"></a><figcaption>${full}</figcaption></figure>`,
      );
    return figures.length ? `<section><h2>${name}</h2><div>${figures.join("")}</div></section>` : "";
  });
  writeFileSync(
    join(options.out, "index.html"),
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>Screens</title><style>body{font:14px/1.4 system-ui;margin:2rem}div{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;max-width:24rem}img{max-height:24rem;max-width:100%;border:1px solid}:target img{outline:4px solid}</style><h1>${pictures.length} pictures</h1>${lists.join("")}${groups.join("")}</html>\n`,
  );
}

const tasks = [];
for (const size of sizes)
  for (const state of states)
    for (const lang of langs) {
      // A state in Arabic or French keeps its language; it is taken once.
      const fixed = /(^|-)(ar|fr)(-|$)/.test(state[1]);
      if (fixed && lang !== langs[0]) continue;
      const wanted = (fixed ? themes : themesOf(lang)).filter((theme) => {
        const full = [state[0], size, theme, fixed || lang === "en" ? "" : lang].filter(Boolean).join("-");
        return names.length === 0 || names.some((part) => full.includes(part));
      });
      if (wanted.length) tasks.push({ state, size, lang, fixed, wanted });
    }
const expected = tasks.reduce((sum, task) => sum + task.wanted.length, 0);
if (expected === 0) {
  console.error(`no state has a name with ${names.join(" or ")}; the names are in scripts/states.mjs`);
  process.exit(2);
}

const start = performance.now();
if (hasPictures) mkdirSync(options.out, { recursive: true });
const ui = await startUi();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((p) => existsSync(p)),
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
const queue = tasks.values();
await Promise.all(
  Array.from({ length: Math.max(1, Number(options.jobs) || 1) }, async () => {
    for (const task of queue) await take(browser, ui.base, task);
  }),
);
await browser.close();
await ui.close();
if (hasPictures) writeIndex();
for (const kind of ["overflow", "overlap", "target"])
  for (const [text, where] of found[kind])
    console.log(`${kind}: ${text}: ${where[0]}${where.length > 1 ? ` and ${where.length - 1} more` : ""}`);
const counts = Object.entries(found).map(([kind, texts]) => `${kind} ${texts.size}`);
const seconds = Math.round((performance.now() - start) / 1000);
console.log(`${pictures.length} of ${expected} pictures in ${seconds} s; ${counts.join(", ")}`);
const isIncomplete = pictures.length < expected;
process.exitCode = isIncomplete || found.error.size + found.overflow.size + found.axe.size > 0 ? 1 : 0;
