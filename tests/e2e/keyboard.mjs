// Runs the steps of a script, operates the app by keyboard, finds elements by role and name, and runs axe.
import { readFileSync } from "node:fs";
import { axePath, cleanUp, LOGIN, PASSWORD } from "./environment.mjs";

const axeSource = readFileSync(axePath, "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export const desktop = { width: 1280, height: 800 };
export const phone = { width: 390, height: 844 };

let [passed, failed] = [0, 0];
/** The page that was opened last: what the learner sees when a step fails. */
let shownPage;

/** Describes the screen: address, heading, dialog, focus and the text in the window. */
async function describeScreen() {
  if (!shownPage || shownPage.isClosed()) return "";
  const seen = await shownPage.evaluate(() => {
    const inWindow = (element) => {
      const box = element.getBoundingClientRect();
      return box.bottom > 0 && box.top < innerHeight && element.checkVisibility();
    };
    const top = document.querySelector("dialog[open], [popover]:popover-open") ?? document.body;
    const texts = [...top.querySelectorAll("h1, h2, h3, p, a, button, strong, li, dt, dd, label, [role=status], .note")]
      .filter((e) => inWindow(e) && !e.querySelector("p, a, button, li, label"))
      .map((e) => (e.getAttribute("aria-label") ?? e.innerText).replace(/\s+/g, " ").trim());
    const focus = document.activeElement;
    const name = (focus?.getAttribute("aria-label") ?? focus?.textContent ?? "").replace(/\s+/g, " ").trim();
    return [
      `address ${location.hash || "#"}, focus on ${focus?.localName} "${name.slice(0, 60)}"`,
      [...new Set(texts)].filter(Boolean).join(" | ").slice(0, 1200),
    ].join("\n    ");
  });
  return `\n  the learner sees: ${seen}`;
}
/** Runs a step of a script and prints its duration. The error of a failed step says what the learner sees. */
export async function step(name, run) {
  const before = Date.now();
  try {
    await run();
  } catch (error) {
    const seen = await describeScreen().catch(() => "");
    throw new Error(`${name}: ${error.message}${seen}`, { cause: error });
  }
  passed += 1;
  console.log(`  ${name} (${Date.now() - before} ms)`);
}
/**
 * Runs a scenario: a step that does not need the ones before it. A failure is printed and the script goes on. The
 * environment variable CARREL_SCENARIO runs only scenarios whose name contains it.
 */
export async function scenario(name, run) {
  if (!name.includes(process.env.CARREL_SCENARIO ?? "")) return;
  try {
    await step(name, run);
  } catch (error) {
    failed += 1;
    console.error(`  FAILED: ${error.message}`);
  }
}
/** Throws with what was expected unless the condition holds within the time. */
export async function expectThat(expected, condition, timeoutMs = 10_000) {
  const end = Date.now() + timeoutMs;
  let seen;
  for (;;) {
    seen = await condition();
    if (seen === true) return;
    if (Date.now() > end) break;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  throw new Error(`expected: ${expected}${seen === false ? "" : `; found: ${JSON.stringify(seen)}`}`);
}
/** Waits until an element is visible. */
export const see = (locator, expected, timeoutMs) =>
  expectThat(expected, () => locator.first().isVisible(), timeoutMs ?? 10_000);
/** Waits until no element is visible. */
export const dontSee = (locator, unexpected, timeoutMs) =>
  expectThat(`no ${unexpected}`, async () => !(await locator.filter({ visible: true }).count()), timeoutMs ?? 5_000);

/** Runs a script, prints the result and stops all processes. */
export async function run(main) {
  try {
    await main();
  } catch (error) {
    failed += 1;
    console.error(error.message);
  } finally {
    console.log(`${passed} passed, ${failed} failed`);
    if (failed > 0) process.exitCode = 1;
    await cleanUp();
  }
}

/** Opens the app of a device in a new page. */
export async function open(chrome, device, viewport, theme, options = {}) {
  const small = viewport.width < 600;
  const context = await chrome.newContext({
    viewport,
    hasTouch: small,
    isMobile: small,
    reducedMotion: "reduce",
    colorScheme: theme === "night" ? "dark" : "light",
    locale: "en-GB",
    ...options,
  });
  const page = await context.newPage();
  shownPage = page;
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

/** Returns approximately the accessible name of the focused element, "" for one that the app focused and Tab skips. */
const focusedName = (page) =>
  page.evaluate(() => {
    const e = document.activeElement;
    if (!e || e === document.body || e.tabIndex < 0) return "";
    const label =
      e.getAttribute("aria-label") ??
      (e.labels?.[0]?.textContent || e.textContent || e.getAttribute("placeholder") || "");
    return label.replace(/\s+/g, " ").trim();
  });

/** Presses Tab until the name of the focused element contains the string `name` or matches the pattern `name`. */
export async function tabTo(page, name, maxPresses = 150) {
  const matches = (text) => (typeof name === "string" ? text.includes(name) : name.test(text));
  const reached = [];
  for (let i = 0; i < maxPresses; i++) {
    await page.keyboard.press("Tab");
    const text = await focusedName(page);
    if (matches(text)) {
      const visible = await page.evaluate(() => {
        const style = getComputedStyle(document.activeElement);
        return style.outlineStyle !== "none" || style.boxShadow !== "none";
      });
      if (!visible) throw new Error(`the focus on "${text}" is not visible`);
      return;
    }
    reached.push(text.slice(0, 40));
  }
  throw new Error(`Tab did not reach ${name}; reached: ${[...new Set(reached)].join(" | ")}`);
}

export async function press(page, name) {
  await tabTo(page, name);
  await page.keyboard.press("Enter");
}

/** Opens an address of the app and waits for the heading of the screen. */
export async function goTo(page, hash, title) {
  await page.evaluate((h) => (location.hash = h), hash);
  await heading(page, title);
}
export const heading = (page, name) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
export const text = (page, pattern) => page.getByText(pattern).first().waitFor();

/** Types into the field with the name `name`. */
export async function write(page, name, value) {
  await tabTo(page, name);
  await page.keyboard.type(value);
}

/** Waits until the heading is shown, no element is busy and the fonts are loaded. */
export async function waitUntilLoaded(page) {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
  await page.evaluate(() => document.fonts.ready);
}

/** Throws if axe reports a violation or the page is wider than the window. */
export async function axe(page, name) {
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
  if (found.length > 0) throw new Error(`axe violations on ${name}:\n  ${found.join("\n  ")}`);
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (excess > 0) throw new Error(`${name} is ${excess} px wider than the window`);
}
