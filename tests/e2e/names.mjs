// A learner studies a lesson, a story and a review by roles and names alone, as a screen reader finds them: no selector,
// no address. `cargo xtask test --only "window names"` does the same in the app's window.
import { browser, Device } from "./environment.mjs";
import { desktop, expectThat, open, run, see, step } from "./keyboard.mjs";

const WORD = "lighthouse";

async function main() {
  const device = new Device("Laptop", { hasDemo: true });
  await device.open();
  const chrome = await browser();
  try {
    const page = await open(chrome, device, desktop, "paper");
    const find = (role, name) => page.getByRole(role, { name }).first();
    const press = async (role, name) => {
      await see(find(role, name), `${role} “${name}”`);
      await find(role, name).click();
    };
    await step("open the demo library without an account", async () => {
      await press("button", "Open the demo library");
      await see(find("heading", "On this device"), "the library");
    });
    await step("a lesson is read and finished, and the next one opened", async () => {
      await press("link", /^How Rivers Work/);
      await press("link", /^Start/);
      await see(find("heading", "The shape of a river"), "the lesson");
      await press("button", "Mark as finished");
      await see(page.getByText(/^Finished/), "“Finished”");
      await press("link", /^Next /);
      await see(find("heading", "Crumple a landscape"), "the next lesson");
      await press("link", "Back to the course");
      await see(find("link", /^Continue/), "the course");
    });
    await step("a story is heard, a word looked up and added, and a page turned", async () => {
      await press("link", "Library");
      await press("button", "Stories");
      await press("link", /^The Lamp by the Sea/);
      await press("link", "Start");
      await press("button", "Read to me");
      await press("button", "Pause");
      await press("button", new RegExp(`^${WORD}$`));
      await see(find("dialog", new RegExp(`^${WORD}`)), "the card of the word");
      await press("button", "Add to my words");
      await see(find("button", "In my words"), "“In my words”");
      await press("button", "Close");
      await press("button", "Next page");
      await expectThat("page 2 is announced", () =>
        page
          .getByText(/^Page 2 of/)
          .count()
          .then((n) => n > 0),
      );
    });
    await step("the word is reviewed", async () => {
      await press("link", "Back");
      await see(find("heading", /^Library$/), "the library");
      await press("link", "Review");
      await press("button", "Review now");
      await see(find("heading", WORD), "the front of the card");
      await press("button", "Show the answer");
      await press("button", /^Good/);
      await see(find("heading", "Done for today"), "“Done for today”");
    });
    page.assertNoErrors();
  } finally {
    await chrome.close();
  }
}

await run(main);
