// Learners who share a device without a network: sign out, PIN, each sees their own work. Stories by themselves. A server
// that is really stopped shows as offline.
import { axe, heading, open, phone, run, see, step, text } from "./keyboard.mjs";
import { browser, Device, LOGIN, PASSWORD, TestServer } from "./environment.mjs";

const SECOND = "bo";
const SECTION = "how-rivers-work/down-to-the-sea/map";
const STORY = "The Sea in the Radio";

const finished = async (device) =>
  (await device.call("get_course", { course: "how-rivers-work" })).lessons[0].sections[1].done;
const finish = (device) =>
  device.call("record_progress", { kind: "section", item: SECTION, percent: 10000, done: true, restart: false });

async function main() {
  const server = new TestServer();
  const device = new Device("Shared tablet");
  await step("prepare a server with two learners", async () => {
    await server.prepare();
    server.addLearner(SECOND, "Bo");
    await server.open();
    await device.open();
  });
  const chrome = await browser();
  try {
    const page = await open(chrome, device, phone, "paper");
    await step("two learners sign in, and open a course", async () => {
      await device.call("sign_in", { address: server.address, login: SECOND, password: PASSWORD });
      await device.call("get_course", { course: "how-rivers-work" });
      await device.call("leave_account");
      await page.reload();
      await heading(page, "Who studies here?");
      await signInAs(page, server.address, LOGIN);
      await device.call("get_course", { course: "how-rivers-work" });
    });
    await step("a story is downloaded from its page", async () => {
      await page.evaluate(() => (location.hash = "#/book/the-sea-in-the-radio"));
      await heading(page, STORY);
      await axe(page, "page of a story");
      await page.getByRole("button", { name: /^Download, / }).click();
      await text(page, "Available offline");
    });
    await step("stop the server: the app shows that it is offline", async () => {
      await page.evaluate(() => (location.hash = "#/"));
      await heading(page, "Library");
      await server.close();
      // Nothing asks for the server: the lost connection is noticed by itself.
      await see(page.locator(".offline-mark"), "“Offline” within 5 s", 5_000);
    });
    await step("the story opens without the server, and in the other language it is not offered", async () => {
      await page.evaluate(() => (location.hash = "#/story/the-sea-in-the-radio"));
      await heading(page, STORY);
      await page.getByRole("button", { name: "Available offline" }).waitFor();
      await page.getByRole("button", { name: /^Language of the story/ }).click();
      const other = page.getByRole("dialog").getByRole("button", { name: "français" });
      if (!(await other.isDisabled())) throw new Error("a language that is not on this device is offered");
      await page.keyboard.press("Escape");
    });
    await step("the first learner works, sets a PIN and signs out", async () => {
      await finish(device);
      await page.evaluate(() => (location.hash = "#/settings"));
      await heading(page, "Settings");
      await page.getByRole("button", { name: "Set a PIN" }).click();
      await page.locator("#pin-new").fill("2468");
      await page.locator("#pin-again").fill("2468");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      await page.getByRole("button", { name: "Sign out: Ada" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Sign out" }).click();
      await heading(page, "Who studies here?");
      await axe(page, "Who studies here?");
    });
    await step("the second learner opens, without the work of the first", async () => {
      await page.getByRole("button", { name: /Bo/ }).click();
      await heading(page, "Library");
      if (await finished(device)) throw new Error("the second learner sees the work of the first");
      await page.evaluate(() => (location.hash = "#/settings"));
      await page.getByRole("button", { name: "Switch learner" }).click();
      await heading(page, "Who studies here?");
    });
    await step("the first learner opens with the PIN, after a wrong one", async () => {
      await page.getByRole("button", { name: /Ada/ }).click();
      await page.locator("#pin").fill("1357");
      await page.keyboard.press("Enter");
      await text(page, "This PIN is wrong.");
      await page.locator("#pin").fill("2468");
      await page.keyboard.press("Enter");
      await heading(page, "Library");
      if (!(await finished(device))) throw new Error("the work of the first learner is gone");
    });
    await step("the PIN is asked again after a restart", async () => {
      await device.kill();
      await device.open();
      await page.goto(device.url);
      await heading(page, "Who studies here?");
      await page.getByRole("button", { name: /Ada/ }).click();
      await page.locator("#pin").fill("2468");
      await page.keyboard.press("Enter");
      await heading(page, "Library");
    });
    await step("a learner is removed after the list of unsent work", async () => {
      await page.evaluate(() => (location.hash = "#/settings"));
      await page.getByRole("button", { name: "Remove Ada from this device" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByText("Reading: 1").waitFor();
      const remove = dialog.getByRole("button", { name: "Remove", exact: true });
      if (!(await remove.isDisabled())) throw new Error("the removal does not ask");
      await dialog.getByRole("checkbox").check();
      await remove.click();
      await heading(page, "Who studies here?");
      if ((await page.getByRole("button", { name: /Ada/ }).count()) > 0) throw new Error("the learner is still listed");
    });
    page.assertNoErrors();
  } finally {
    await chrome.close();
  }
}

async function signInAs(page, address, login) {
  await page.locator("#address").fill(address);
  await page.keyboard.press("Enter");
  await page.locator("#login").fill(login);
  await page.locator("#password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await heading(page, "Library");
}

await run(main);
