// Operates the app without a mouse: Tab, Enter, Space, arrows and letters; finds elements by role and name.
import { readFileSync } from "node:fs";
import { axePath, cleanUp, LOGIN, PASSWORD } from "./environment.mjs";

const axeSource = readFileSync(axePath, "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export const desktop = { width: 1280, height: 800 };
export const phone = { width: 390, height: 844 };

let steps = 0;
/** Runs one step of a script and prints its duration. */
export async function step(name, run) {
  const before = Date.now();
  await run();
  steps += 1;
  console.log(`  ${name} (${Date.now() - before} ms)`);
}
/** Runs a script, prints its result, and stops everything that it started. */
export async function run(main) {
  try {
    await main();
    console.log(`${steps} passed, 0 failed`);
  } catch (error) {
    console.error(error.message);
    console.log(`${steps} passed, 1 failed`);
    process.exitCode = 1;
  } finally {
    await cleanUp();
  }
}

/** Opens the app of a device in a new page. */
export async function open(chrome, device, viewport, theme) {
  const small = viewport.width < 600;
  const context = await chrome.newContext({
    viewport,
    hasTouch: small,
    isMobile: small,
    reducedMotion: "reduce",
    colorScheme: theme === "night" ? "dark" : "light",
    locale: "en-GB",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const errors = [];
  page.on("pageerror", (e) => errors.push(e.message));
  page.on("console", (m) => m.type() === "error" && /Content Security Policy/.test(m.text()) && errors.push(m.text()));
  page.assertNoErrors = () => {
    if (errors.length > 0) throw new Error(`errors in the page:\n  ${errors.join("\n  ")}`);
  };
  await page.goto(device.url);
  return page;
}

export async function signIn(page, address) {
  await heading(page, "Learn anywhere, online or offline");
  await write(page, "Server address", address);
  await page.keyboard.press("Enter");
  await page.locator("#login").waitFor();
  await page.keyboard.type(LOGIN);
  await tabTo(page, "Password");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await heading(page, "Library");
}

/** Returns the accessible name of the focused element. */
const focused = (page) =>
  page.evaluate(() => {
    const e = document.activeElement;
    if (!e || e === document.body) return "";
    const label =
      e.getAttribute("aria-label") ??
      (e.labels?.[0]?.textContent || e.textContent || e.getAttribute("placeholder") || "");
    return label.replace(/\s+/g, " ").trim();
  });

/** Presses Tab until the focused element has the name `name` (a text or a pattern). */
export async function tabTo(page, name, maxPresses = 150) {
  const matches = (text) => (typeof name === "string" ? text.includes(name) : name.test(text));
  const passed = [];
  for (let i = 0; i < maxPresses; i++) {
    await page.keyboard.press("Tab");
    const text = await focused(page);
    if (matches(text)) {
      const visible = await page.evaluate(() => {
        const style = getComputedStyle(document.activeElement);
        return style.outlineStyle !== "none" || style.boxShadow !== "none";
      });
      if (!visible) throw new Error(`the focus on "${text}" is not visible`);
      return;
    }
    passed.push(text.slice(0, 40));
  }
  throw new Error(`Tab did not reach ${name}; reached: ${[...new Set(passed)].join(" | ")}`);
}

export async function press(page, name) {
  await tabTo(page, name);
  await page.keyboard.press("Enter");
}

export const heading = (page, name) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
export const text = (page, words) => page.getByText(words).first().waitFor();

/** Types into the field with the name `name`. */
export async function write(page, name, words) {
  await tabTo(page, name);
  await page.keyboard.type(words);
}

/** Waits until the page is complete: its heading is shown and nothing is being loaded. */
export async function waitUntilLoaded(page) {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
  await page.evaluate(() => document.fonts.ready);
}

/** Fails if axe reports a violation or the page is wider than the window. */
export async function axe(page, where) {
  await waitUntilLoaded(page);
  await page.evaluate(axeSource);
  const found = await page.evaluate(async (tags) => {
    const result = await globalThis.axe.run(document, { runOnly: tags });
    return result.violations.map(
      (v) =>
        `${v.id}: ${v.nodes
          .slice(0, 3)
          .map((n) => n.target.join(" "))
          .join(", ")}`,
    );
  }, TAGS);
  if (found.length > 0) throw new Error(`axe violations on ${where}:\n  ${found.join("\n  ")}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) throw new Error(`${where} is ${wide} px wider than the window`);
}
