// The main use case: sign in, download, go offline, study by keyboard, kill and restart the client, reconnect, and
// compare with a second device. Then axe on every screen.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { axe, desktop, heading, open, phone, press, run, signIn, waitUntilLoaded, step, text } from "./keyboard.mjs";
import { browser, Device, TestServer } from "./environment.mjs";

const COURSE = "How Rivers Work";
const STORY = "The Lamp by the Sea";
const SECTION = "how-rivers-work/meanders/read";
const screenshots = process.env.CARREL_SCREENSHOTS;
if (screenshots) mkdirSync(screenshots, { recursive: true });

async function screenshot(page, name) {
  if (screenshots) await page.screenshot({ path: join(screenshots, `${name}.png`) });
}
async function waitUntil(condition, check) {
  const end = Date.now() + 60_000;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`not true after 60 s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
function assertEqual(a, b, name) {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  if (left !== right) throw new Error(`${name}: not equal:\n  ${left}\n  ${right}`);
}

/** Answers every question of the open quiz and submits it. Supports all kinds of questions. */
async function takeQuiz(page) {
  for (let n = 0; n < 20; n++) {
    const kind = await page.evaluate(() => {
      const stage = document.querySelector(".stage");
      if (stage.querySelector("input[type=radio], input[type=checkbox]")) return "choice";
      if (stage.querySelector("input[type=text], input:not([type])")) return "fill";
      if (stage.querySelector(".left")) return "match";
      return "order";
    });
    if (kind === "choice") {
      await page.locator(".stage input").first().focus();
      await page.keyboard.press("Space");
    } else if (kind === "fill") {
      for (const gap of await page.locator(".stage input").all()) {
        await gap.focus();
        await page.keyboard.type("water");
      }
    } else if (kind === "match") {
      const items = await page.locator(".stage .left").all();
      for (const [i, item] of items.entries()) {
        await item.focus();
        await page.keyboard.press(String.fromCharCode(97 + i));
      }
    } else {
      await page.locator(".stage li [tabindex='0'], .stage li button").first().focus();
      for (const key of ["Space", "ArrowDown", "Space"]) await page.keyboard.press(key);
    }
    await press(page, /^Check$/);
    await page.locator(".actions .primary").waitFor();
    await press(page, /^(Next question|See the result)$/);
    const hasResult = await page
      .getByText(/Passed|Not passed yet/)
      .first()
      .waitFor({ timeout: 1_500 })
      .then(
        () => true,
        () => false,
      );
    if (hasResult) return;
  }
  throw new Error("the quiz shows no result after 20 questions");
}

/** Opens each screen, takes a screenshot and runs axe. */
async function checkScreens(page, name) {
  const screens = {
    library: ["#/", "Library"],
    course: ["#/course/how-rivers-work", COURSE],
    lesson: ["#/read/how-rivers-work/meanders/read", "Why rivers wander"],
    watch: ["#/read/how-rivers-work/meanders/watch", "A meander in motion"],
    quiz: ["#/read/how-rivers-work/down-to-the-sea/check", "Check yourself"],
    story: ["#/story/the-lamp-by-the-sea", STORY],
    review: ["#/review", "Review"],
    progress: ["#/progress", "Progress"],
    sync: ["#/sync", "Sync"],
    settings: ["#/settings", "Settings"],
    storage: ["#/storage", "Storage"],
  };
  for (const [screen, [hash, title]] of Object.entries(screens)) {
    await page.evaluate((h) => (location.hash = h), hash);
    await heading(page, title);
    await waitUntilLoaded(page);
    await screenshot(page, `${screen}-${name}`);
    await axe(page, `${screen} (${name})`);
  }
}

/** Opens each dialog with its button, takes a screenshot and runs axe. */
async function checkDialogs(page, name) {
  const dialogs = [
    ["#/storage", "Storage", "Move content to another folder"],
    ["#/settings", "Settings", "Cache and network"],
    ["#/settings", "Settings", "Font licences"],
    ["#/read/how-rivers-work/meanders/read", "Why rivers wander", "Reading settings"],
  ];
  for (const [hash, title, button] of dialogs) {
    await page.evaluate((h) => (location.hash = h), hash);
    await heading(page, title);
    await page.getByRole("button", { name: button }).click();
    await page.getByRole("dialog", { name: button }).waitFor();
    await screenshot(page, `${button.toLowerCase().replaceAll(" ", "-")}-${name}`);
    await axe(page, `${button} (${name})`);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  }
}

async function main() {
  const server = new TestServer();
  const [laptop, tablet] = [new Device("Laptop"), new Device("Tablet")];
  await step("prepare a server with the demo library", () => server.prepare());
  await server.open();
  await laptop.open();
  const chrome = await browser();
  try {
    let page = await open(chrome, laptop, desktop, "paper");
    await step("axe on the Welcome screen", () => axe(page, "Welcome"));
    await step("sign in by keyboard", () => signIn(page, server.address));
    await step("open and download a course and a story", async () => {
      await press(page, new RegExp(COURSE));
      await heading(page, COURSE);
      await press(page, /^Download/);
      await text(page, "Available offline");
      await laptop.call("start_download", { id: "the-lamp-by-the-sea", isStory: true });
      await waitUntil(
        "the story is downloaded",
        async () => (await laptop.call("list_stories", { onDevice: true })).total === 1,
      );
    });
    await step("stop the server", () => server.close());
    await step("read and finish a section", async () => {
      await press(page, /^(Start|Continue)/);
      await heading(page, "The shape of a river");
      // Heartbeats, a few seconds apart, report study time: wait until the first one is counted.
      await waitUntil(
        "study time is recorded",
        async () => (await laptop.call("get_course", { course: "how-rivers-work" })).timeSpentMs > 0,
      );
      await press(page, /^Mark as finished/);
      await text(page, /^Finished/);
      await screenshot(page, "finished-offline");
    });
    await step("take a quiz", async () => {
      await page.evaluate(() => (location.hash = "#/read/how-rivers-work/down-to-the-sea/check"));
      await heading(page, "Check yourself");
      await press(page, /^(Start|Continue)$/);
      await page.locator(".stage .head").waitFor();
      await takeQuiz(page);
      await screenshot(page, "quiz-offline");
    });
    await step("read a story and save a word", async () => {
      await page.evaluate(() => (location.hash = "#/"));
      await heading(page, "Library");
      await press(page, new RegExp(STORY));
      await heading(page, STORY);
      await press(page, /^Start/);
      await text(page, "Page 1 of 8");
      await page.keyboard.press("ArrowRight");
      await text(page, "Page 2 of 8");
      await page.keyboard.press("ArrowLeft");
      await text(page, "Page 1 of 8");
      await press(page, /^lighthouse$/);
      await press(page, /^Add to my words/);
      await text(page, "In my words");
      await page.keyboard.press("Escape");
    });
    await step("play the narration without the server", async () => {
      await press(page, /^Read to me/);
      await page.waitForFunction(() =>
        [...document.querySelectorAll("audio")].some((a) => a.currentTime > 0.3 && !a.error),
      );
    });
    let before;
    await step("write a note, a highlight and a bookmark by keyboard", async () => {
      await page.evaluate((hash) => (location.hash = hash), `#/read/${SECTION}`);
      await heading(page, "Why rivers wander");
      await waitUntilLoaded(page);
      // Without a selection, the keys mark the paragraph that is being read.
      await page.keyboard.press("n");
      await page.getByRole("dialog", { name: "Write a note" }).waitFor();
      await page.getByRole("textbox", { name: "Note", exact: true }).fill("Ask about the inner bank");
      await axe(page, "Write a note");
      await press(page, /^Save note$/);
      await page.getByRole("button", { name: "Note 1 of 1: Ask about the inner bank" }).waitFor();
      await page.evaluate(() => {
        const word = document.querySelector(".blocks p");
        getSelection().setBaseAndExtent(word.firstChild, 0, word.firstChild, 12);
      });
      await page.getByRole("toolbar", { name: "Selected passage" }).waitFor();
      await axe(page, "Toolbar of a selected passage");
      await screenshot(page, "notes-toolbar");
      await page.getByRole("button", { name: "Green highlight" }).click();
      await page
        .getByRole("button", { name: /^Note \d of 2/ })
        .nth(1)
        .waitFor();
      await page.keyboard.press("m");
      await page.getByRole("dialog", { name: "Notes", exact: true }).waitFor();
      await text(page, "Ask about the inner bank");
      await screenshot(page, "notes-panel");
      await axe(page, "Notes");
      await page.keyboard.press("Escape");
      const { notes } = await laptop.call("list_notes", { item: SECTION });
      assertEqual(
        notes.map((note) => [note.state, note.waiting]),
        [
          ["exact", true],
          ["exact", true],
        ],
        "notes",
      );
      if (!(await page.evaluate(() => CSS.highlights.has("note-green")))) throw new Error("no highlight is painted");
    });
    await step("kill and restart the client while offline", async () => {
      before = await laptop.call("get_course", { course: "how-rivers-work" });
      if (before.done < 1) throw new Error("no section is finished");
      page.assertNoErrors();
      await page.context().close();
      await laptop.kill();
      await laptop.open();
      page = await open(chrome, laptop, desktop, "paper");
      await heading(page, "Library");
      const after = await laptop.call("get_course", { course: "how-rivers-work" });
      assertEqual(before.lessons, after.lessons, "outline before and after the restart");
    });
    await step("add a course file, and a file of another program, without an account or network", async () => {
      const { folders } = await laptop.call("list_removable_media");
      const exported = await laptop.call("export_courses", {
        items: [{ id: "how-rivers-work", isStory: false }],
        folder: folders.at(-1).path,
      });
      const guest = new Device("Guest");
      await guest.open();
      const guestPage = await open(chrome, guest, phone, "paper");
      await heading(guestPage, "Learn anywhere, online or offline");
      await press(guestPage, /^Open a file from a USB drive/);
      await heading(guestPage, "Library");
      // Sets the file without the system's file dialog. The page uploads it to the client's loopback endpoint, which
      // has another origin.
      await guestPage.locator("dialog input[type=file]").setInputFiles(exported.path);
      await text(guestPage, "This is the first file from");
      await axe(guestPage, "Add from file");
      await guestPage.getByRole("checkbox").focus();
      await guestPage.keyboard.press("Space");
      await screenshot(guestPage, "import-confirm");
      await press(guestPage, /^Add to this device/);
      await text(guestPage, "1 course or story is available offline.");
      await press(guestPage, /^Close/);
      // A file of another program is converted on the device.
      await press(guestPage, /^Add from file/);
      await guestPage.locator("dialog input[type=file]").setInputFiles({
        name: "Lakes quiz.gift",
        mimeType: "text/plain",
        buffer: Buffer.from("::Depth::Which lake is deepest? {=Baikal ~Victoria}\n\n::Essay::Describe a lake. {}\n"),
      });
      await text(guestPage, "Converted from GIFT on this device");
      await guestPage.getByLabel("Language of the texts").selectOption("fr");
      await text(guestPage, "1 item works as in the other program. 1 is different.");
      await guestPage.getByText("What is different").click();
      await text(guestPage, "a free text cannot be graded by the app");
      await axe(guestPage, "Add from file, converted");
      await press(guestPage, /^Add to this device/);
      // The announcement of the first file has the same text.
      await guestPage.locator("dialog [role=status]").getByText("1 course or story is available offline.").waitFor();
      await press(guestPage, /^Close/);
      const converted = await guest.call("list_courses", { onDevice: true });
      assertEqual(
        converted.items
          .map(({ course }) => course)
          .filter(({ id }) => id.startsWith("own-"))
          .map(({ title, lang }) => [title, lang]),
        [["Lakes quiz", "fr"]],
        "the converted course",
      );
      await press(guestPage, new RegExp(COURSE));
      await heading(guestPage, COURSE);
      await text(guestPage, "Available offline");
      await press(guestPage, /^(Start|Continue)/);
      await heading(guestPage, "The shape of a river");
      guestPage.assertNoErrors();
      await guestPage.context().close();
      await guest.kill();
    });
    await step("the sync screen lists waiting items", async () => {
      await press(page, /^Sync/);
      await heading(page, "Sync");
      await text(page, /waiting for the network/);
      await screenshot(page, "sync-waiting");
      await axe(page, "Sync while offline");
      const status = await laptop.call("get_sync_status");
      if (status.waiting < 3) throw new Error(`only ${status.waiting} rows are waiting`);
    });
    await step("reconnect and sync", async () => {
      await server.open();
      await press(page, /^(Retry now|Sync now)/);
      await text(page, "All work is synced");
      const status = await laptop.call("get_sync_status");
      assertEqual([status.waiting, status.refused, status.phase], [0, 0, "idle"], "sync status");
    });
    page.assertNoErrors();
    await step("the second device has the same state", async () => {
      await tablet.open();
      const second = await open(chrome, tablet, phone, "night");
      await signIn(second, server.address);
      await tablet.call("sync_now");
      const [a, b] = await Promise.all(
        [laptop, tablet].map((d) => d.call("get_course", { course: "how-rivers-work" })),
      );
      const comparable = (c) => [
        c.percent,
        c.done,
        c.timeSpentMs,
        c.lessons.map((l) => l.sections.map((s) => [s.item, s.done, s.percent, s.bestScore])),
      ];
      assertEqual(comparable(a), comparable(b), "course on both devices");
      if (a.timeSpentMs <= 0) throw new Error("no study time was recorded");
      const words = await Promise.all(
        [laptop, tablet].map(async (d) => (await d.call("list_words")).words.map((w) => w.item)),
      );
      assertEqual(words[0], words[1], "word lists of both devices");
      assertEqual(words[0], ["the-lamp-by-the-sea/lighthouse"], "saved words");
      // The second device has not loaded the section yet: it has no places, and long quotes are shortened.
      const notes = await Promise.all(
        [laptop, tablet].map(async (d) =>
          (await d.call("list_notes", { item: "how-rivers-work" })).notes
            .map((note) => [note.note, note.mark, note.revisions])
            .sort(),
        ),
      );
      assertEqual(notes[0], notes[1], "notes on both devices");
      assertEqual(notes[1].length, 2, "number of notes");
      await second.evaluate((hash) => (location.hash = hash), `#/read/${SECTION}`);
      await heading(second, "Why rivers wander");
      await second.getByRole("button", { name: /Ask about the inner bank/ }).waitFor();
      await screenshot(second, "notes-second-device");
      await axe(second, "A lesson with notes");
      await second.evaluate(() => (location.hash = "#/course/how-rivers-work"));
      await heading(second, COURSE);
      await screenshot(second, "second-device");
      second.assertNoErrors();
      await second.context().close();
    });
    await step("a change is pushed to the other device", async () => {
      await laptop.call("record_progress", {
        kind: "section",
        item: "how-rivers-work/down-to-the-sea/map",
        percent: 10000,
        done: true,
      });
      await waitUntil(
        "the section is finished on the other device",
        async () => (await tablet.call("get_course", { course: "how-rivers-work" })).lessons[0].sections[1].done,
      );
    });
    for (const [size, viewport] of [
      ["desktop", desktop],
      ["phone", phone],
    ]) {
      for (const theme of ["paper", "night"]) {
        await step(`axe on every screen: ${size}, ${theme}`, async () => {
          const screen = await open(chrome, laptop, viewport, theme);
          await heading(screen, "Library");
          await checkScreens(screen, `${size}-${theme}`);
          await checkDialogs(screen, `${size}-${theme}`);
          screen.assertNoErrors();
          await screen.context().close();
        });
      }
    }
  } finally {
    await chrome.close();
  }
}

await run(main);
