// A downloaded story in a script that the bundled fonts do not cover is shown in the font it brings along, offline.
import { join } from "node:path";
import { desktop, heading, open, run, signIn, step, waitUntilLoaded } from "./keyboard.mjs";
import { browser, Device, root, TestServer } from "./environment.mjs";

const STORY = "bas-mein-bakri";
const TITLE = "बस में बकरी";

/** Returns the fonts in which the text of an element is shown: family, and whether it is no font of the system. */
async function fontsOf(page, selector) {
  const client = await page.context().newCDPSession(page);
  await client.send("DOM.enable");
  await client.send("CSS.enable");
  const { root: document } = await client.send("DOM.getDocument");
  const { nodeId } = await client.send("DOM.querySelector", { nodeId: document.nodeId, selector });
  const { fonts } = await client.send("CSS.getPlatformFontsForNode", { nodeId });
  await client.detach();
  return fonts.map((font) => `${font.familyName}${font.isCustomFont ? "" : " (system)"}`);
}

async function main() {
  const [server, device] = [new TestServer(), new Device("Laptop")];
  await step("prepare a server with the demo library and fonts", async () => {
    await server.prepare();
    server.run(["fonts", "install", join(root, "assets/fonts/packs/node_modules")]);
  });
  await server.open();
  await device.open();
  const chrome = await browser();
  try {
    const page = await open(chrome, device, desktop, "paper");
    await step("sign in and download the story", async () => {
      await signIn(page, server.address);
      await device.call("start_download", { id: STORY, isStory: true });
      const isReady = async () => (await device.call("check_offline", { id: STORY, isStory: true })).ready;
      for (let i = 0; i < 150 && !(await isReady()); i++) await new Promise((done) => setTimeout(done, 100));
      if (!(await isReady())) throw new Error("the story is not downloaded after 15 s");
    });
    await step("the story is shown in its font while the server is stopped", async () => {
      await server.close();
      await page.evaluate((id) => (location.hash = `#/story/${id}`), STORY);
      await heading(page, TITLE);
      await page.locator(".text p").first().waitFor();
      await waitUntilLoaded(page);
      const faces = await page.evaluate(() =>
        [...document.fonts].filter((f) => f.family.includes("Carrel Content")).map((f) => f.status),
      );
      if (faces.join() !== "loaded") throw new Error(`the faces of the story are ${faces.join() || "missing"}`);
      for (const selector of ["h1", ".text p"]) {
        const used = await fontsOf(page, selector);
        if (!used.includes("Noto Sans Devanagari") || used.some((font) => font.endsWith("(system)")))
          throw new Error(`${selector} is in ${used.join(", ")}`);
      }
    });
    page.assertNoErrors();
  } finally {
    await chrome.close();
  }
}

await run(main);
