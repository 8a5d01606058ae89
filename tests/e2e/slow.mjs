// While the network holds all requests, every screen shows stored data without waiting; after the responses it shows
// the newer data.
import { desktop, heading, open, run, signIn, waitUntilLoaded, step, text } from "./keyboard.mjs";
import { browser, Device, Network, TestServer } from "./environment.mjs";

const COURSE = "How Rivers Work";
const STORY = "The Lamp by the Sea";
const SCREENS = [
  ["library", "#/", "Library", COURSE],
  ["course", "#/course/how-rivers-work", COURSE, "Meanders and oxbow lakes"],
  ["lesson", "#/read/how-rivers-work/meanders/read", "Why rivers wander", "meander"],
  ["progress", "#/progress", "Progress", COURSE],
  ["words", "#/review", "Review", "lighthouse"],
  ["sync", "#/sync", "Sync", "Why rivers wander"],
];

/** Opens a screen and returns the milliseconds until its heading and content are painted. */
async function measurePaint(page, hash, title, content) {
  return page.evaluate(
    async ([hash, title, content]) => {
      const from = performance.now();
      location.hash = hash;
      const isShown = () =>
        document.querySelector("h1")?.textContent.trim() === title &&
        document.querySelector("main").innerText.includes(content);
      while (!isShown()) {
        if (performance.now() - from > 10_000)
          throw new Error(
            `${hash} is not shown while requests are held: ${document.querySelector("main")?.innerText.slice(0, 300)}`,
          );
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
      // A message sent during a frame arrives after that frame has been painted.
      await new Promise((resolve) => {
        requestAnimationFrame(() => {
          const channel = new MessageChannel();
          channel.port1.onmessage = resolve;
          channel.port2.postMessage(null);
        });
      });
      return Math.round(performance.now() - from);
    },
    [hash, title, content],
  );
}

async function main() {
  const [server, network, device] = [new TestServer(), new Network(), new Device("Laptop")];
  await step("prepare a server with the demo library", () => server.prepare());
  await server.open();
  await network.open(server.port);
  await device.open();
  const chrome = await browser();
  try {
    let page = await open(chrome, device, desktop, "paper");
    await step("sign in", () => signIn(page, network.address));
    await step("open every screen once without downloading", async () => {
      await device.call("open_section", { item: "how-rivers-work/meanders/read" });
      await device.call("open_story", { item: "the-lamp-by-the-sea" });
      await device.call("save_word", { word: "the-lamp-by-the-sea/lighthouse", saved: true });
      await device.call("record_progress", {
        kind: "section",
        item: "how-rivers-work/meanders/read",
        percent: 5000,
        done: false,
      });
      await device.call("sync_now");
      for (const [, hash, title, content] of SCREENS) await measurePaint(page, hash, title, content);
    });
    await step("hold all requests and publish a new version of the course", async () => {
      server.republish("how-rivers-work", "course.json", (course) =>
        course.replace("Meanders and oxbow lakes", "Meanders and old lakes"),
      );
      network.hold();
    });
    const openEveryScreen = async () => {
      const times = [];
      for (const [name, hash, title, content] of SCREENS) {
        await page.evaluate(() => (location.hash = "#/settings"));
        await heading(page, "Settings");
        times.push(`${name} ${await measurePaint(page, hash, title, content)} ms`);
      }
      console.log(`    ${times.join(", ")}`);
    };
    await step("every screen shows stored data", openEveryScreen);
    await step("every screen shows stored data after a restart", async () => {
      await page.context().close();
      await device.kill();
      await device.open();
      page = await open(chrome, device, desktop, "paper");
      await heading(page, "Library");
      await text(page, COURSE);
      await openEveryScreen();
      if (network.held.length === 0) throw new Error("the network holds no request");
    });
    await step("the course shows its new version after the response", async () => {
      await measurePaint(page, "#/course/how-rivers-work", COURSE, "Meanders and oxbow lakes");
      network.release();
      await text(page, "Meanders and old lakes");
      await waitUntilLoaded(page);
    });
    await step("a story opens after the response", async () => {
      await page.evaluate(() => (location.hash = "#/story/the-lamp-by-the-sea"));
      await heading(page, STORY);
    });
    page.assertNoErrors();
  } finally {
    await chrome.close();
    network.close();
  }
}

await run(main);
