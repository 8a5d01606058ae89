// Learners' programs run offline in Chromium: results, errors, limits, and programs that try to reach the network, the
// app or the page; and hostile HTML in the texts of a course. The tables are programs.json and faults/hostile-html.json,
// which the test in the app's window uses too.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HOSTILE_COURSE, TEST_COURSE, vectors, writeHostileCourse } from "./course.mjs";
import { browser, Device, root, TestServer } from "./environment.mjs";
import { axe, desktop, expectThat, open, run, see, signIn, step } from "./keyboard.mjs";

const table = JSON.parse(readFileSync(join(root, "tests/e2e/programs.json"), "utf8"));
/** Longer than the time limit of a program with the time to load the interpreter. */
const MAX_MS = 20_000;

/** Runs a program and returns its output and how it ended. */
async function runProgram(page, language, code, input = "") {
  const block = page.locator("figure.editable").nth(language === "javascript" ? 0 : 1);
  await block.locator("textarea").first().fill(code);
  if (input) await block.getByLabel(/^Input of the program/).fill(input);
  await block.getByRole("button", { name: "Run" }).click();
  const end = block.locator(".actions .small:not([role])");
  await see(end, `the end of ${code.slice(0, 60)}`, MAX_MS);
  const output = block.getByRole("group", { name: "Output" });
  return {
    end: await end.innerText(),
    output: (await output.count()) ? await output.innerText() : "",
  };
}

/** Opens every section of the hostile course. Returns what ran, was requested, or is a forbidden element. */
async function readHostileCourse(page) {
  const requests = [];
  const listen = (request) => requests.push(request.url());
  page.on("request", listen);
  const found = [];
  for (const [n, [name]] of vectors.entries()) {
    await page.evaluate((hash) => (location.hash = hash), `#/read/${HOSTILE_COURSE}/all/v${n}`);
    await page.waitForFunction((name) => document.querySelector("article h1")?.textContent.startsWith(name), name);
    const seen = await page.evaluate(() => {
      const article = document.querySelector("article");
      for (const element of article.querySelectorAll("[href], abbr, li, p")) element.dispatchEvent(new Event("click"));
      const bad = article.querySelectorAll(
        "script, style, iframe, object, embed, form, img, video, [onclick], [onerror]",
      );
      return {
        escaped: window.ESCAPED,
        bad: [...bad].map((e) => e.outerHTML),
      };
    });
    if (seen.escaped !== undefined || seen.bad.length > 0) found.push({ name, ...seen });
  }
  page.off("request", listen);
  return [...found, ...requests.filter((url) => url.includes("127.0.0.1:1/"))];
}

async function main() {
  const [server, device] = [new TestServer(), new Device("Laptop")];
  await step("prepare a server with the test course and the hostile course", async () => {
    await server.prepare();
    const folder = mkdtempSync(join(tmpdir(), "carrel-hostile-"));
    writeHostileCourse(join(folder, HOSTILE_COURSE));
    server.run(["import", folder]);
    rmSync(folder, { recursive: true });
  });
  await server.open();
  await device.open();
  const chrome = await browser();
  try {
    const page = await open(chrome, device, desktop, "paper");
    await step("sign in, download the course, stop the server", async () => {
      await signIn(page, server.address);
      for (const id of [TEST_COURSE, HOSTILE_COURSE]) {
        await device.call("start_download", { id, isStory: false });
        const isReady = async () => (await device.call("check_offline", { id, isStory: false })).ready;
        await expectThat(`${id} is downloaded`, isReady, 15_000);
      }
      await server.close();
      await page.goto(`${new URL(page.url()).origin}/#/read/${TEST_COURSE}/programs/programs`);
      await see(page.locator("figure.editable"), "the programs");
    });
    await step("programs print, read their input and compute", async () => {
      for (const [language, code, input, expected] of table.works) {
        const { end, output } = await runProgram(page, language, code, input);
        await expectThat(
          `${code}: ${expected}`,
          () => (end === "Ended" && output.trim() === expected) || { end, output },
          0,
        );
      }
    });
    await step("errors are named with their line", async () => {
      for (const [language, code, name, line] of table.errors) {
        const { end, output } = await runProgram(page, language, code);
        const isNamed = end === "Ended with an error" && output.includes(name) && output.includes(line);
        await expectThat(`${code}: ${name}`, () => isNamed || { end, output }, 0);
      }
    });
    for (const [language, name, code] of table.attacks) {
      await step(`${language}: ${name}`, async () => {
        const requests = [];
        const listen = (request) => requests.push(request.url());
        page.on("request", listen);
        const { end, output } = await runProgram(page, language, code);
        page.off("request", listen);
        const outside = requests.filter((url) => url.includes("127.0.0.1:1/"));
        // A program whose attack ends later, in a promise, prints “inside”.
        const isOver = end !== "Ended" || output.trim() === "inside";
        const isInside = isOver && !output.includes("ESCAPED") && outside.length === 0;
        await expectThat("no escape", () => isInside || { end, output: output.slice(0, 200), outside }, 0);
      });
    }
    await step("programs run as before after all attacks", async () => {
      for (const [language, code, input, expected] of table.works) {
        const { end, output } = await runProgram(page, language, code, input);
        const isRight = end === "Ended" && output.trim() === expected;
        await expectThat(`${code}: ${expected}`, () => isRight || { end, output }, 0);
      }
    });
    await step("a program is stopped by hand", async () => {
      const block = page.locator("figure.editable").first();
      await block.locator("textarea").first().fill("for (;;) {}");
      await block.getByRole("button", { name: "Run" }).click();
      await block.getByRole("button", { name: "Stop" }).click();
      await see(block.getByText("Stopped"), "“Stopped”");
    });
    await step("axe finds nothing", () => axe(page, "programs"));
    await step(`${vectors.length} hostile texts run nothing`, async () => {
      const found = await readHostileCourse(page);
      await expectThat("nothing runs", () => found.length === 0 || found, 0);
    });
  } finally {
    await chrome.close();
  }
}

await run(main);
