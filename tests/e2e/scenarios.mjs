// What a learner meets, one named scenario each, on a device whose network is cut and restored.
import { TEST_COURSE, TEST_COURSE_TITLE, WORD, WORD_SECTIONS } from "./course.mjs";
import { browser, Device, LOGIN, Network, PASSWORD, TestServer } from "./environment.mjs";
import { desktop, dontSee, expectThat, goTo, heading, open, phone, run, scenario, see, step } from "./keyboard.mjs";

const [SECOND, COURSE, STORY, ARABIC] = ["bo", "How Rivers Work", "The Sea in the Radio", "al-qitta-allati-lam-tasal"];
/** The mark of a screen that has noticed the cut. */
const offlineMark = (page) => page.locator(".offline-mark").filter({ visible: true });
const button = (page, name) => page.getByRole("button", { name });
const searchField = (page) => page.locator("[role=search] input");
const body = (page) => page.locator("main").innerText();
/** Whether an element is in the window as a whole. */
const isInWindow = (locator) =>
  locator.first().evaluate((element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
  });

async function fillSignIn(page, login, password) {
  if (login) await page.locator("#login").fill(login);
  await page.locator("#password").fill(password);
  await page.keyboard.press("Enter");
}

/** Scenarios of a device on which nobody has studied. */
async function firstRun(chrome, server) {
  const device = new Device("First run", { hasDemo: true });
  await device.open();
  const page = await open(chrome, device, phone, "paper");
  await heading(page, "Learn anywhere, online or offline");

  await scenario("a wrong address is named, in the window", async () => {
    await page.locator("#address").fill("127.0.0.1:9");
    await page.keyboard.press("Enter");
    const message = page.getByRole("alert");
    await see(message.getByText("No Carrel server answers at 127.0.0.1:9"), "the address is named as wrong");
    await expectThat("the message is in the window", () => isInWindow(message));
    await page.locator("#address").fill("two words");
    await page.keyboard.press("Enter");
    await see(message.getByText("“two words” is not an address"), "a text that is no address is named");
  });
  await scenario("too many wrong passwords: the time to wait is the server's", async () => {
    const deviceId = "00000000-0000-4000-8000-000000000001";
    const body = JSON.stringify({ login: "nobody", password: "wrong", deviceId });
    const headers = { "content-type": "application/json" };
    const attempt = () => fetch(`${server.address}/api/auth/login`, { method: "POST", headers, body });
    let reply = await attempt();
    for (let n = 0; n < 30 && reply.status === 401; n++) reply = await attempt();
    await expectThat("the server limits the attempts", async () => reply.status === 429 || (await reply.text()));
    const seconds = Number(reply.headers.get("retry-after"));
    await page.locator("#address").fill(server.address);
    await page.keyboard.press("Enter");
    await see(page.locator("#login"), "the sign-in form");
    await fillSignIn(page, "nobody", "wrong");
    const message = page.getByRole("alert");
    await see(message.getByText(/Too many attempts/), "that there were too many attempts");
    const shown = await message.innerText();
    const [, count, unit] = /Try again in (\d+) (sec|min)/.exec(shown) ?? [];
    const told = Number(count) * (unit === "min" ? 60 : 1);
    await expectThat(`about ${seconds} s to wait`, async () => Math.abs(told - seconds) <= 30 || shown);
    await button(page, "Use another server").click();
  });
  await scenario("language and theme come first, and the demo counts as local", async () => {
    const options = page.getByRole("group", { name: "Language and theme" });
    await page.evaluate(() => scrollTo(0, 0));
    await expectThat("language and theme are in the first window", () => isInWindow(options));
    await options.getByText("français").click();
    await see(page.getByRole("heading", { level: 1, name: /^Apprenez/ }), "the first screen in French");
    await options.getByRole("combobox").or(page.getByRole("combobox")).first().selectOption("night");
    await expectThat("the theme night", () => page.evaluate(() => document.documentElement.dataset.theme === "night"));
    await page.getByText("English", { exact: true }).click();
    await button(page, "Open the demo library").click();
    await heading(page, "Library");
    await see(page.getByRole("link", { name: new RegExp(COURSE) }), "the courses of the demo");
    await dontSee(page.getByText("Nothing is downloaded yet"), "“Nothing is downloaded yet” above the demo's courses");
    await see(page.getByText(/all available offline/), "that all of the demo is available offline");
    await goTo(page, "#/storage", "Storage");
    await expectThat("the demo in the storage", async () => {
      const text = await body(page);
      return text.includes(COURSE) || text;
    });
  });
  page.assertNoErrors();
  await page.context().close();
  await device.kill();
}

/** Scenarios with two learners of one device. */
async function accounts(page, device) {
  await scenario("every learner of the device gets back in without a network", async () => {
    await goTo(page, "#/settings", "Settings");
    await button(page, "Switch learner").click();
    await heading(page, "Who studies here?");
    for (const name of ["Bo", "Ada"]) {
      await button(page, new RegExp(`^\\W*${name}|${name}`))
        .first()
        .click();
      await heading(page, "Library");
      await goTo(page, "#/settings", "Settings");
      await see(page.getByText("signed in now"), "who is signed in");
      if (name === "Bo") {
        await button(page, "Switch learner").click();
        await heading(page, "Who studies here?");
      }
    }
  });
  await scenario("another learner is signed out, and signs in with a filled-in name", async () => {
    await goTo(page, "#/settings", "Settings");
    await button(page, "Sign out: Bo").click();
    await page.getByRole("dialog").getByRole("button", { name: "Sign out" }).click();
    await dontSee(page.getByRole("dialog"), "dialog after the sign-out");
    await dontSee(page.getByText(/Check what you/), "error after the sign-out of another learner");
    await dontSee(button(page, "Sign out: Bo"), "“Sign out” of a learner who is signed out");
    await see(button(page, "Sign out: Ada"), "that the own account is still signed in");
    await button(page, "Switch to Bo").click();
    await see(page.locator("#password"), "the sign-in form");
    await expectThat("the user name is filled in", () =>
      page
        .locator("#login")
        .inputValue()
        .then((v) => v === SECOND || v),
    );
    await expectThat("the focus is in the password", () =>
      page.evaluate(() => document.activeElement?.id === "password"),
    );
    await fillSignIn(page, "", PASSWORD);
    await heading(page, "Library");
    const { account } = await device.call("get_app_state");
    await expectThat("Bo is signed in", async () => account.user.login === SECOND || account.user.login);
    await goTo(page, "#/settings", "Settings");
    await button(page, "Switch to Ada").click();
    await heading(page, "Library");
  });
}

async function network(page, device, link) {
  // A failed scenario may leave the network cut.
  const online = async () => {
    await link.restore();
    await device.call("sync_now");
  };
  await scenario("a request for enrolment is not “Enrolled” until the school decides", async () => {
    await goTo(page, "#/course/waves-and-sound", "Waves and Sound");
    await button(page, "Enrol").click();
    await see(button(page, "Enrolled"), "“Enrolled” without any other action", 10_000);
    await link.cut();
    await goTo(page, `#/course/${TEST_COURSE}`, TEST_COURSE_TITLE);
    await button(page, "Enrol").click();
    await see(button(page, /^Enrolment requested/), "“Enrolment requested” while the school cannot know");
    await see(page.getByText("The school decides after the next sync."), "what happens next");
    await dontSee(button(page, "Enrolled"), "“Enrolled” before the school decided");
    await link.restore();
    await device.call("sync_now");
    await see(button(page, "Enrolled"), "“Enrolled” after the network is back", 10_000);
  });
  await online();
  await scenario("a cut is shown within 5 s, in the same words on every screen", async () => {
    await goTo(page, "#/", "Library");
    await dontSee(offlineMark(page), "offline mark while the server answers");
    await link.cut();
    const before = Date.now();
    await see(offlineMark(page), "“Offline” within 5 s of the cut", 5_000);
    console.log(`    shown after ${Date.now() - before} ms`);
    for (const [hash, title] of [
      ["#/", "Library"],
      ["#/course/how-rivers-work", COURSE],
      ["#/read/how-rivers-work/meanders/read", "Why rivers wander"],
      ["#/book/the-sea-in-the-radio", STORY],
      ["#/story/the-goat-on-the-bus", "The Goat on the Bus"],
      ["#/review", "Review"],
      ["#/progress", "Progress"],
      ["#/settings", "Settings"],
      ["#/storage", "Storage"],
      ["#/sync", "Sync"],
    ]) {
      await goTo(page, hash, title);
      await see(offlineMark(page), `“Offline” on ${hash}`);
      await expectThat(`the words of the mark on ${hash}`, () =>
        offlineMark(page)
          .first()
          .innerText()
          .then((text) => /^Offline( since .+)?$/.test(text.trim()) || text),
      );
    }
    await dontSee(page.getByText("All work is synced"), "“All work is synced” while offline");
    await link.restore();
    await button(page, "Retry now").click();
    await dontSee(offlineMark(page), "offline mark after the network is back");
  });
  await online();
  await scenario("a course that is not here, opened offline", async () => {
    await goTo(page, "#/", "Library");
    await link.cut();
    await see(offlineMark(page), "“Offline” within 5 s of the cut", 5_000);
    await goTo(page, "#/course/first-steps-in-fractions", "First Steps in Fractions");
    await see(page.getByText("This course is not on this device yet."), "that the course is not here");
    await button(page, "Download when online").click();
    await see(page.getByText("Continues automatically when the network is back."), "when the download goes on");
    for (const [hash, title] of [
      ["#/story/whose-bell-is-this", "Whose Bell Is This?"],
      ["#/read/write-a-program-that-listens/talk/read", "Write a Program That Listens"],
    ]) {
      await page.evaluate((h) => (location.hash = h), hash);
      await see(page.getByText(title, { exact: true }), `the title of what is not here (${hash})`);
      await see(button(page, "Download when online"), `a way to get it (${hash})`);
    }
    await goTo(page, "#/course/first-steps-in-fractions", "First Steps in Fractions");
    await link.restore();
    await device.call("sync_now");
    await see(page.getByText("Available offline"), "the downloaded course after the network is back", 20_000);
  });
}

async function library(page, device) {
  await scenario("stories are downloaded together, and removed from their own sheet", async () => {
    await goTo(page, "#/?tab=stories", "Library");
    await button(page, "Select").click();
    for (const title of ["Telling the Bees", "The Goat on the Bus"]) await button(page, new RegExp(title)).click();
    await button(page, "Download").last().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: /^Download 2 titles/ }).click();
    await dontSee(dialog, "dialog after the start of the downloads");
    for (const title of ["Telling the Bees", "The Goat on the Bus"])
      await see(page.getByRole("link", { name: new RegExp(`${title}[^]*on this device`) }), `${title} on this device`);
    await goTo(page, "#/story/telling-the-bees", "Telling the Bees");
    await button(page, "Available offline").click();
    await see(dialog.getByText("Available offline"), "the badge in the sheet");
    await dialog.getByRole("button", { name: "Remove from this device" }).click();
    await dialog.getByRole("button", { name: "Remove", exact: true }).click();
    await see(dialog.getByRole("button", { name: /^Download, / }), "the story can be downloaded again");
    await page.keyboard.press("Escape");
    const { total } = await device.call("list_stories", { onDevice: true });
    await expectThat("one story is left on the device", async () => total === 1 || total);
  });
  await scenario("Back restores tab, filters, search and position", async () => {
    await page.setViewportSize({ width: 1280, height: 500 });
    await goTo(page, "#/?tab=stories", "Library");
    await page.getByRole("combobox", { name: "Level" }).selectOption("2");
    await expectThat("the level in the address", () => page.evaluate(() => location.hash.includes("level=2")));
    await dontSee(page.getByRole("link", { name: STORY }), "story of another level");
    const story = page.getByRole("link", { name: /القِطَّةُ/ });
    await story.scrollIntoViewIfNeeded();
    await expectThat("the page is scrolled", () => page.evaluate(() => scrollY > 0 || scrollY));
    await page.evaluate(() =>
      addEventListener("click", () => (globalThis.clickedAt = Math.round(scrollY)), { capture: true, once: true }),
    );
    await story.click();
    const before = await page.evaluate(() => globalThis.clickedAt);
    await see(page.getByRole("heading", { name: "Languages of this story" }).or(page.locator(".book h1")), "the story");
    await page.goBack();
    await heading(page, "Library");
    await expectThat("the tab Stories", () =>
      button(page, "Stories")
        .getAttribute("aria-pressed")
        .then((v) => v === "true"),
    );
    await expectThat("the level", () =>
      page
        .getByRole("combobox", { name: "Level" })
        .inputValue()
        .then((v) => v === "2" || v),
    );
    await expectThat(`the position ${before}`, () =>
      page.evaluate((y) => Math.abs(scrollY - y) <= 2 || scrollY, before),
    );
    await page.setViewportSize(desktop);
    await searchField(page).fill("river");
    const hit = page
      .locator("main section")
      .first()
      .getByRole("link", { name: new RegExp(COURSE) });
    await see(hit, "results of the search");
    await hit.click();
    await dontSee(searchField(page), "the library");
    await page.goBack();
    await expectThat("the search", () =>
      searchField(page)
        .inputValue()
        .then((v) => v === "river" || v),
    );
    await see(hit, "the results of the search");
  });
  await scenario("a search says how many results there are, and has pages and filters", async () => {
    await device.call("start_download", { id: TEST_COURSE, isStory: false });
    await expectThat("the test course is downloaded", async () => {
      const { download } = await device.call("get_course", { course: TEST_COURSE });
      return download.phase === "ready" || download.phase;
    });
    await goTo(page, "#/", "Library");
    await searchField(page).fill(WORD);
    await see(page.getByText(`${WORD_SECTIONS} results`), `“${WORD_SECTIONS} results”`);
    await see(page.getByText("Page 1 of 2"), "the number of pages");
    await button(page, "Next page").click();
    await expectThat(`${WORD_SECTIONS - 50} results on the second page`, () =>
      page
        .locator("main section li")
        .count()
        .then((n) => n === WORD_SECTIONS - 50 || n),
    );
    await page.getByRole("combobox", { name: "Finished" }).selectOption("yes");
    await see(page.getByText("No results"), "that nothing is finished");
    await button(page, "Clear filters").click();
    await see(page.getByText("Page 1 of 2"), "the first page again");
    await searchField(page).fill("rivers");
    const hit = page
      .locator("main section")
      .first()
      .getByRole("link", { name: new RegExp(COURSE) });
    await see(hit, "the course among the results");
    await expectThat("language and level of a result", () =>
      hit.innerText().then((text) => (/English/.test(text) && /Intermediate/.test(text) ? true : text)),
    );
    await expectThat("a cover of a result", () =>
      hit
        .locator(".cover")
        .count()
        .then((n) => n === 1 || n),
    );
    await button(page, "Clear search").click();
  });
}

async function study(page, device, link) {
  const stage = page.locator(".stage");
  await scenario("a quiz that was not passed is submitted, with rounded points; Enter submits a gap", async () => {
    await goTo(page, `#/read/${TEST_COURSE}/quiz/check`, "Springs");
    await button(page, /^(Start|Continue|Try again)$/).click();
    const next = () => button(page, "Next question").click();
    await stage.getByText("At its mouth").click();
    await button(page, "Check").click();
    await see(stage.getByText("Not quite"), "that the answer is wrong");
    await see(stage.locator(".answer").getByText("At its source"), "the right answer");
    await next();
    await stage.getByText("A lake").click();
    await stage.getByText("A cloud").click();
    await button(page, "Check").click();
    await see(stage.getByText("Partly correct"), "that the answer is partly right");
    await expectThat("rounded points", () =>
      stage.innerText().then((text) => (/\d(\.\d{1,2})? of 2/.test(text) && !/\d\.\d{3}/.test(text) ? true : text)),
    );
    await see(stage.locator(".choice[data-mark=missed]").getByText("Missed"), "the missed choice, in words");
    await next();
    await stage.getByLabel("Gap 1").fill("rain");
    await stage.getByLabel("Gap 1").press("Enter");
    await expectThat("Enter in a gap goes to the next one", () =>
      page.evaluate(() => document.activeElement?.getAttribute("aria-label") === "Gap 2"),
    );
    await page.keyboard.type("cloud");
    await page.keyboard.press("Enter");
    await see(stage.locator("[data-result]").getByText("Correct"), "the result after Enter in the last gap");
    await next();
    await button(page, "Check").click();
    await see(stage.locator("[data-result]"), "the result of the order");
    await next();
    await stage.locator(".left").first().focus();
    await page.keyboard.press("a");
    await page.keyboard.press("b");
    await button(page, "Check").click();
    await button(page, "See the result").click();
    await see(page.getByText("Not passed yet"), "that the quiz is not passed");
    await see(page.getByText(/^Submitted/), "“Submitted”");
    await dontSee(page.getByText(/^Finished/), "“Finished” under a quiz that was not passed");
    await expectThat("rounded points of the quiz", () =>
      page
        .locator(".result")
        .innerText()
        .then((text) => (/\d of 6/.test(text) && !/\d\.\d{3}/.test(text) ? true : text)),
    );
  });
  await scenario("saved words: one count, translated names, and “Word added”", async () => {
    await goTo(page, "#/story/how-rivers-work/the-walnut-boat", "The Walnut Boat");
    const notFound = link.log.filter((r) => r.status === 404).length;
    await page.locator(".text .word").first().click();
    await button(page, "Add to my words").click();
    await see(button(page, "In my words"), "the tick of the saved word");
    await page.keyboard.press("Escape");
    await page.reload();
    await page.locator(".text .word").first().click();
    await see(button(page, "In my words"), "the tick of the saved word after a reload");
    await page.keyboard.press("Escape");
    await expectThat("no request for an address that does not exist", async () => {
      const found = link.log.filter((r) => r.status === 404);
      return found.length === notFound || found.slice(notFound).map((r) => r.url);
    });
    await goTo(page, "#/review", "Review");
    await dontSee(page.getByText(/not on this device/), "“not on this device” at a saved word");
    await page.locator(".word").first().click();
    await see(page.getByRole("dialog"), "the card of the word");
    await page.keyboard.press("Escape");
    await link.cut();
    await see(offlineMark(page), "“Offline” within 5 s of the cut", 5_000);
    await device.call("set_settings", { theme: "sepia" });
    await device.call("set_settings", { language: "en" });
    await device.call("save_word", { word: "the-lamp-by-the-sea/lighthouse", saved: true });
    await goTo(page, "#/sync", "Sync");
    await see(page.getByRole("heading", { name: "Waiting" }), "the list of waiting work");
    await expectThat("one count in the navigation, the heading and the list", async () => {
      const [nav, title, list] = await Promise.all([
        page.locator('nav [href="#/sync"] .count [aria-hidden]').innerText(),
        page.locator(".state strong").innerText(),
        page.locator("section[aria-labelledby=waiting] .section-head span").innerText(),
      ]);
      const counts = [nav, title, list].map((text) => Number(/\d+/.exec(text)?.[0]));
      return counts.every((n) => n === counts[0]) && counts[0] > 0 ? true : [nav, title, list];
    });
    const waiting = await page.locator("section[aria-labelledby=waiting]").innerText();
    await expectThat("names of settings and words", async () =>
      /Theme/.test(waiting) && /Word added/.test(waiting) && !/\btheme\b|\blanguage\b|reviewed/.test(waiting)
        ? true
        : waiting,
    );
    await link.restore();
    await button(page, "Retry now").click();
    await see(page.getByText("All work is synced"), "that all work is synced");
  });
  await scenario("refused work: how much, why, and a page for the teacher", async () => {
    link.changePush = (push) => ({
      ...push,
      items: push.items.map((item) =>
        String(item.item).startsWith(`${TEST_COURSE}/list/s`) && item.percent !== undefined
          ? { ...item, percent: 20_000 }
          : item,
      ),
    });
    for (const n of [3, 4])
      await device.call("record_progress", {
        kind: "section",
        item: `${TEST_COURSE}/list/s${n}`,
        percent: 5000,
        done: false,
        restart: false,
      });
    await device.call("sync_now");
    link.changePush = undefined;
    await goTo(page, "#/sync", "Sync");
    await see(page.locator(".state strong").getByText("2 items were not accepted"), "“2 items were not accepted”");
    await dontSee(page.getByText("All work is synced"), "“All work is synced” above refused work");
    const refused = page.locator("section[aria-labelledby=refused]");
    await see(refused.getByText(/One of its values is not allowed/), "the reason in the learner's words");
    await button(page, "Show for your teacher").click();
    const dialog = page.getByRole("dialog", { name: "For your teacher" });
    await see(dialog.getByRole("cell", { name: /Spring 4/ }), "the refused section by its title");
    await expectThat("a readable page without JSON", async () => {
      const text = await dialog.innerText();
      return !/[{}]/.test(text) ? true : text;
    });
    const download = page.waitForEvent("download");
    await dialog.getByRole("button", { name: "Save this page" }).click();
    const name = (await download).suggestedFilename();
    await expectThat("a page as a file", async () => name.endsWith(".html") || name);
    await page.keyboard.press("Escape");
    await device.call("set_settings", { language: "fr" });
    await page.reload();
    await see(refused.getByText(/valeur/), "the reason in French");
    await device.call("set_settings", { language: "en" });
    await page.reload();
    await heading(page, "Sync");
  });
}

async function stories(chrome, device) {
  const page = await open(chrome, device, phone, "paper");
  await scenario("an Arabic story turns by its own direction, and its end offers the next story", async () => {
    await heading(page, "Library");
    await page.evaluate((id) => (location.hash = `#/story/${id}`), ARABIC);
    const isOn = (number) => page.locator(`.text[data-page="${number - 1}"]`);
    await see(isOn(1), "page 1 of the Arabic story");
    await page.keyboard.press("ArrowLeft");
    await see(isOn(2), "page 2 after the left arrow key");
    await page.keyboard.press("ArrowRight");
    await see(isOn(1), "page 1 after the right arrow key");
    const [previous, next] = await Promise.all(
      ["Previous page", "Next page"].map((name) => button(page, name).boundingBox()),
    );
    await expectThat("“Next page” on the left of “Previous page”", async () => next.x < previous.x);
  });
  await scenario("the word sheet closes when its handle is dragged down", async () => {
    await goTo(page, "#/story/the-lamp-by-the-sea", "The Lamp by the Sea");
    await page.locator(".text .word").first().click();
    const sheet = page.getByRole("dialog");
    await see(sheet, "the sheet of the word");
    const box = await sheet.locator(".handle").boundingBox();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x, y + 300, { steps: 4 });
    await page.mouse.up();
    await dontSee(sheet, "sheet after its handle was dragged down");
    await expectThat("the focus is on the word", () =>
      page.evaluate(() => document.activeElement?.matches(".word") || document.activeElement?.outerHTML),
    );
    const pages = await page.locator(".pages button").count();
    for (let n = 1; n < pages; n++) await button(page, "Next page").click();
    await button(page, "Next page").click();
    await see(page.getByRole("heading", { name: "The end" }), "the end of the story");
    const next = page.getByRole("link", { name: /^Next: / });
    await see(next, "the next story");
    await next.click();
    await see(page.locator('.text[data-page="0"]'), "page 1 of the next story");
  });
  await scenario("a message does not cover Play", async () => {
    await goTo(page, "#/story/the-lamp-by-the-sea", "The Lamp by the Sea");
    const play = button(page, "Read to me");
    await see(play, "Play");
    await page.locator(".toasts").evaluate((toasts) => {
      const toast = document.createElement("div");
      toast.textContent = "A message";
      toasts.append(toast);
    });
    const [toast, box] = await Promise.all([page.locator(".toasts").boundingBox(), play.boundingBox()]);
    await expectThat("the message above Play", async () => toast.y + toast.height <= box.y || [toast, box]);
  });
  page.assertNoErrors();
  await page.context().close();
}

async function main() {
  const [server, link, device] = [new TestServer(), new Network(), new Device("Laptop")];
  await step("prepare a server with two learners", async () => {
    await server.prepare();
    server.addLearner(SECOND, "Bo");
    await server.open();
    await link.open(server.port);
    await device.open();
  });
  const chrome = await browser();
  try {
    await firstRun(chrome, server);
    await step("two learners sign in", async () => {
      for (const login of [SECOND, LOGIN])
        await device.call("sign_in", { address: link.address, login, password: PASSWORD });
      for (const course of ["how-rivers-work", TEST_COURSE]) await device.call("get_course", { course });
      await device.call("open_section", { item: "how-rivers-work/meanders/read" });
    });
    const page = await open(chrome, device, desktop, "paper");
    await heading(page, "Library");
    await library(page, device);
    await network(page, device, link);
    await link.restore();
    await study(page, device, link);
    await accounts(page, device);
    page.assertNoErrors();
    await page.context().close();
    await stories(chrome, device);
  } finally {
    await chrome.close();
    link.server.closeAllConnections();
    link.server.close();
  }
}

await run(main);
