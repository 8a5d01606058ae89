// Without a mouse: the whole way of a learner by keyboard, with a focus that is seen and never lost. What a screen reader
// gets of a quiz that is answered wrongly.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TEST_COURSE, TEST_COURSE_TITLE } from "./course.mjs";
import { browser, Device, root, TestServer } from "./environment.mjs";
import { desktop, expectThat, goTo, heading, open, run, scenario, see, signIn, step, tabTo } from "./keyboard.mjs";

const LAMP = "The Lamp by the Sea";
const SNAPSHOT = "tests/e2e/quiz-answered-wrongly.txt";

/** Describes the focused element, and whether the focus on it is painted. */
const focus = (page) =>
  page.evaluate(() => {
    const e = document.activeElement;
    const name = (e?.getAttribute("aria-label") ?? e?.textContent ?? "").replace(/\s+/g, " ").trim().slice(0, 60);
    const isLost = !e || e === document.body || e === document.documentElement;
    // A control with its own ring, or whose label has it.
    const rings = [e, e?.closest("label"), e?.parentElement]
      .filter(Boolean)
      .map((element) => getComputedStyle(element));
    const isSeen = rings.some(
      (s) => (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== "none",
    );
    // Headings and other places that get the focus after an action are no stops of Tab; they need no ring.
    return { isLost, isSeen: isSeen || e?.tabIndex < 0, name: `${e?.localName} "${name}"` };
  });

/** Runs an action and waits until the focus is on something again, and seen. */
async function act(page, name, action) {
  await action();
  await expectThat(`the focus is not lost after: ${name}`, () => focus(page).then((f) => !f.isLost || f.name), 3_000);
  await expectThat(`the focus is seen after: ${name}`, () => focus(page).then((f) => f.isSeen || f.name), 3_000);
}
const key =
  (page, ...keys) =>
  async () => {
    for (const name of keys) await page.keyboard.press(name);
  };
/** Goes to a control by Tab and presses Enter. */
async function press(page, name, key = "Enter") {
  await tabTo(page, name);
  await act(page, `${key} on ${name}`, () => page.keyboard.press(key));
}

async function signInAndRead(page, device, server) {
  await scenario("keyboard: sign in, read a section, go back", async () => {
    await signIn(page, server.address);
    await act(page, "the sign-in", () => heading(page, "Library"));
    await press(page, /How Rivers Work/);
    await heading(page, "How Rivers Work");
    await press(page, /^Start/);
    await heading(page, "The shape of a river");
    await press(page, /^Mark as finished/);
    await see(page.getByText(/^Finished/), "“Finished”");
    await press(page, /^Reading settings/);
    await see(page.getByRole("dialog"), "the reading settings");
    await act(page, "Escape in the reading settings", key(page, "Escape"));
    await expectThat("the focus is on the button that opened the dialog", () =>
      focus(page).then((f) => f.name.includes("Reading settings") || f.name),
    );
    await act(page, "the right arrow key", key(page, "ArrowRight"));
    await heading(page, "Crumple a landscape");
    await act(page, "Escape in a section", key(page, "Escape"));
    await heading(page, "How Rivers Work");
  });
  await scenario("keyboard: download, check, cancel a removal, remove", async () => {
    await goTo(page, `#/course/${TEST_COURSE}`, TEST_COURSE_TITLE);
    await press(page, /^Download, /);
    await see(page.getByText("Available offline"), "the downloaded course");
    await act(page, "the end of the download", async () => undefined);
    await press(page, /^Check offline availability/);
    await see(page.getByRole("dialog"), "the check");
    await act(page, "Escape in the check", key(page, "Escape"));
    await press(page, /^Remove from this device/);
    await press(page, /^Cancel/);
    await press(page, /^Remove from this device/);
    await press(page, /^Remove$/);
    await see(page.getByRole("button", { name: /^Download, / }), "that the course can be downloaded again");
    await act(page, "the removal", async () => undefined);
  });
  await scenario("keyboard: a story, its word, its sheets", async () => {
    await goTo(page, "#/story/the-lamp-by-the-sea", LAMP);
    await act(page, "the right arrow key", key(page, "ArrowRight"));
    await see(page.locator('.text[data-page="1"]'), "page 2");
    await act(page, "the left arrow key", key(page, "ArrowLeft"));
    await press(page, /^lighthouse$/);
    await see(page.getByRole("dialog"), "the card of the word");
    await press(page, /^Add to my words/);
    await act(page, "Escape in the card", key(page, "Escape"));
    await expectThat("the focus is on the word", () => focus(page).then((f) => /lighthouse/.test(f.name) || f.name));
    for (const [name, title] of [
      [/^Download, /, "Download and languages"],
      [/^About this story/, "About this story"],
    ]) {
      await press(page, name);
      await see(page.getByRole("dialog", { name: title }), title);
      await act(page, `Escape in ${title}`, key(page, "Escape"));
      await expectThat("the focus is on the button that opened the sheet", () =>
        focus(page).then((f) => name.test(f.name.replace(/^button "/, "")) || f.name),
      );
    }
    await press(page, /^Enlarge the picture/);
    await see(page.getByRole("dialog"), "the picture");
    await act(page, "Escape in the picture", key(page, "Escape"));
    await goTo(page, "#/review", "Review");
    await press(page, /^Remove from my words: lighthouse/);
    await act(page, "the removal of the last word", () => see(page.getByText("No words yet"), "no words"));
  });
}

/** What a screen reader is told: the texts that appear in live regions, in order. */
const listenToLiveRegions = (page) =>
  page.evaluate(() => {
    globalThis.announced = [];
    const isLive = (node) =>
      (node instanceof Element ? node : node.parentElement)?.closest("[aria-live], [role=status], [role=alert]");
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        const text = isLive(target)?.textContent.replace(/\s+/g, " ").trim();
        if (text && globalThis.announced.at(-1) !== text) globalThis.announced.push(text);
      }
    }).observe(document.body, { childList: true, characterData: true, subtree: true });
  });

/** Name, role and description of the focused element in the accessibility tree. */
async function readFocus(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  await session.detach();
  const isFocused = (node) => node.properties?.some((p) => p.name === "focused" && p.value.value);
  const node = nodes.findLast((n) => !n.ignored && isFocused(n));
  const value = (field) => (node?.[field]?.value ?? "").replace(/\s+/g, " ").trim();
  return `${value("role")} "${value("name")}", description "${value("description")}"`;
}

/** Presses “Next question” and waits until question `number` is shown and has the focus. */
async function pressNext(page, number) {
  await press(page, /^Next question$/);
  await see(page.getByText(`Question ${number} of 5`), `question ${number}`);
  await expectThat(`the focus is on question ${number}`, () =>
    page.evaluate(() => document.activeElement?.matches(".stage") || document.activeElement?.localName),
  );
}

async function wrongAnswer(page) {
  await scenario("keyboard: a quiz, answered wrongly, as a screen reader reads it", async () => {
    await goTo(page, `#/read/${TEST_COURSE}/quiz/check`, "Springs");
    await listenToLiveRegions(page);
    await press(page, /^(Start|Continue|Try again)$/);
    await see(page.getByText("Question 1 of 5"), "the first question");
    await act(page, "the start of the quiz", async () => undefined);
    await tabTo(page, /At its mouth/);
    await act(page, "Space on a choice", key(page, "Space"));
    await press(page, /^Check$/);
    const result = page.locator("[data-result]");
    await see(result, "the result of the answer");
    await expectThat("the focus is on the result", () =>
      page.evaluate(() => document.activeElement?.hasAttribute("data-result")),
    );
    await expectThat("a message for screen readers", () => page.evaluate(() => globalThis.announced.length > 0));
    const heard = await page.evaluate(() => globalThis.announced);
    const text = [
      "Focus after “Check”:",
      `  ${await readFocus(page)}`,
      "Announced by live regions:",
      ...heard.map((line) => `  ${line}`),
      "The question in the accessibility tree:",
      ...(await page.locator(".stage").ariaSnapshot()).split("\n").map((line) => `  ${line}`),
      "",
    ].join("\n");
    compare(text);
    await pressNext(page, 2);
    // A choice by Space, gaps by typing, order by Space and arrows, pairs by letters.
    await tabTo(page, /A lake/);
    await act(page, "Space on a choice", key(page, "Space"));
    await press(page, /^Check$/);
    await pressNext(page, 3);
    for (const word of ["rain", "cloud"]) {
      await tabTo(page, /^Gap/);
      await page.keyboard.type(word);
    }
    await act(page, "Enter in the last gap", key(page, "Enter"));
    await see(result, "the result of the gaps");
    await pressNext(page, 4);
    await tabTo(page, /Position 1 of 3/);
    await act(page, "a move by keys", key(page, "Space", "ArrowDown", "Space"));
    await press(page, /^Check$/);
    await pressNext(page, 5);
    await tabTo(page, /^source/);
    await act(page, "pairs by letters", key(page, "a", "b"));
    await press(page, /^Check$/);
    await press(page, /^See the result$/);
    await see(page.getByText(/^(Passed|Not passed yet)$/), "the result of the quiz");
    await act(page, "the result of the quiz", async () => undefined);
  });
}
/** Compares with the stored snapshot. CARREL_UPDATE_SNAPSHOTS=1 stores it. */
function compare(text) {
  const path = join(root, SNAPSHOT);
  if (process.env.CARREL_UPDATE_SNAPSHOTS === "1") return writeFileSync(path, text);
  const stored = existsSync(path) ? readFileSync(path, "utf8") : "";
  if (stored === text) return undefined;
  const [before, after] = [stored.split("\n"), text.split("\n")];
  const at = after.findIndex((line, i) => line !== before[i]);
  const line = `line ${at + 1}: expected “${before[at] ?? ""}”, heard “${after[at] ?? ""}”`;
  throw new Error(
    `${SNAPSHOT} differs in ${line}\n${text}\nhint: if this is right, run with CARREL_UPDATE_SNAPSHOTS=1`,
  );
}

async function leave(page) {
  await scenario("keyboard: sign out", async () => {
    await goTo(page, "#/settings", "Settings");
    await press(page, /^Sign out: Ada/);
    await see(page.getByRole("dialog"), "the question about the sign-out");
    await act(page, "Escape in the question", key(page, "Escape"));
    await press(page, /^Sign out: Ada/);
    await press(page, /^Sign out$/);
    await heading(page, "Who studies here?");
    await act(page, "the sign-out", async () => undefined);
    await press(page, /Manage learners/);
    await press(page, /^Remove from this device: Ada/);
    await act(page, "Escape in the removal", key(page, "Escape"));
    await press(page, /^Done/);
  });
}

async function main() {
  const [server, device] = [new TestServer(), new Device("Laptop")];
  const chrome = await browser();
  try {
    await step("prepare a server with the demo library", async () => {
      await server.prepare();
      await server.open();
      await device.open();
    });
    const page = await open(chrome, device, desktop, "paper");
    await signInAndRead(page, device, server);
    await wrongAnswer(page);
    await leave(page);
    page.assertNoErrors();
  } finally {
    await chrome.close();
  }
}

await run(main);
