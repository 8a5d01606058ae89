// Runs the fault table tests/faults/cases.json against Workbox in Chromium and prints it beside Carrel's results
// (CARREL_FAULTS, written by the test `every_case_of_the_fault_table_has_the_expected_result`). Exits with 1 if Carrel's results are missing or
// a case could not be run.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Network } from "./network.mjs";
import { print } from "./report.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const { chromium } = createRequire(join(root, "ui/package.json"))("playwright-core");
const table = JSON.parse(readFileSync(join(root, "tests/faults/cases.json"), "utf8"));
const ROUTES = {
  "stale-while-revalidate": { freshS: 600, staleS: 7 * 86_400 },
  "network-first": { freshS: 300 },
  "cache-first": {},
  "network-only": {},
  "cache-only": {},
};
/** Time limit of a request; a later response is reported as `waits`. */
const TIMEOUT_MS = 4_000;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function bundle() {
  const { build } = await import(pathToFileURL(join(root, "ui/node_modules/vite/dist/node/index.js")));
  const output = await build({
    configFile: false,
    root: here,
    logLevel: "error",
    define: { "process.env.NODE_ENV": '"production"' },
    build: { write: false, minify: false, lib: { entry: join(here, "sw.js"), formats: ["iife"], name: "sw" } },
  });
  return [output].flat()[0].output[0].code;
}

function browser() {
  const paths = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = process.env.CARREL_CHROMIUM ?? paths.find((p) => existsSync(p));
  if (!executablePath) throw new Error("no Chromium was found\nhint: install chromium, or set CARREL_CHROMIUM");
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  return chromium.launch({ executablePath, headless: true, args });
}

/** Sends `many` concurrent requests from the page; returns the result as the table names it. */
function request(page, url, init, many) {
  return page.evaluate(
    async ([address, options, times, timeout]) => {
      const one = async () => {
        try {
          const reply = await fetch(address, { ...options, signal: AbortSignal.timeout(timeout) });
          if (reply.status !== 200) return reply.status === 410 ? "404" : String(reply.status);
          const text = await reply.text();
          return text.startsWith("<") ? "page" : text.length > 1000 ? "long" : text;
        } catch (cause) {
          return cause.name === "TimeoutError" ? "waits" : "none";
        }
      };
      const all = await Promise.all(Array.from({ length: times }, one));
      return [...new Set(all)].join(" or ");
    },
    [url, init, many, TIMEOUT_MS],
  );
}

/** Returns the seconds between the response of step `n` and its next use. */
function ageAt(steps, n) {
  let age = 0;
  for (const step of steps.slice(n + 1)) {
    age += step.wait_s ?? 0;
    if (step.net.length > 0) break;
  }
  return age;
}

async function runCase(number, row, network, page, devtools) {
  const seen = [];
  let shift = 0;
  for (const [n, step] of row.steps.entries()) {
    if (step.skip) {
      seen.push({ skipped: step.skip });
      continue;
    }
    shift += (step.wait_s ?? 0) + (step.jump_s ?? 0);
    if (step.restart) await devtools.send("ServiceWorker.stopAllWorkers");
    if (step.fill_disk) await devtools.send("Storage.overrideQuotaForOrigin", { origin: network.address, quotaSize: 1 });
    if (step.release === true) {
      network.release();
      await pause(200);
    }
    const before = network.requests;
    const age = ageAt(row.steps, n);
    network.next = [...step.net, ...(step.further_net ?? [])].map((wire) => ({ wire, age }));
    const route = { ...ROUTES[row.strategy], name: step.strategy ?? row.strategy, cache: `case-${number}`, shift };
    if (row.route) Object.assign(route, { freshS: row.route.fresh_s, ...(row.route.stale_s ? { staleS: row.route.stale_s } : {}), ifErrorS: row.route.if_error_s });
    const init = { headers: { ...step.headers, "x-route": JSON.stringify(route) } };
    const pending = request(page, `/case/${number}${step.path ?? "/api/thing"}`, init, step.many ?? 1);
    if (step.release === "while") {
      await pause(900);
      network.release();
    }
    const response = await pending;
    // Wait for requests in the background.
    await pause(120);
    seen.push({ response, requests: network.requests - before });
  }
  network.release();
  if (row.steps.some((s) => s.fill_disk)) await devtools.send("Storage.overrideQuotaForOrigin", { origin: network.address });
  return seen;
}

async function main() {
  const file = process.env.CARREL_FAULTS;
  if (!file || !existsSync(file)) {
    throw new Error("CARREL_FAULTS does not name an existing file\nhint: cargo xtask test --long --only Workbox");
  }
  const carrel = JSON.parse(readFileSync(file, "utf8"));
  const html = "<!doctype html><title>faults</title>";
  const network = new Network(table, {
    "/": { type: "text/html", text: html },
    "/sw.js": { type: "text/javascript", text: await bundle() },
  });
  await network.open();
  const chrome = await browser();
  try {
    const context = await chrome.newContext();
    const page = await context.newPage();
    await page.goto(`${network.address}/`);
    await page.evaluate(async () => {
      await navigator.serviceWorker.register("/sw.js");
      await navigator.serviceWorker.ready;
      while (!navigator.serviceWorker.controller) await new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done, { once: true }));
    });
    const devtools = await context.newCDPSession(page);
    await devtools.send("ServiceWorker.enable");
    const rows = [];
    for (const [number, row] of table.cases.entries()) {
      const result = carrel.find((c) => c.strategy === row.strategy && c.name === row.name);
      if (!result)
        throw new Error(`no result of Carrel for "${row.name}": the results belong to another version of the table`);
      rows.push({ row, carrel: result.steps, workbox: await runCase(number, row, network, page, devtools) });
    }
    const text = print(rows, { chromium: chrome.version(), workbox: JSON.parse(readFileSync(join(here, "node_modules/workbox-core/package.json"))).version });
    console.log(text);
    if (process.env.CARREL_FAULTS_REPORT) writeFileSync(process.env.CARREL_FAULTS_REPORT, text);
  } finally {
    await chrome.close();
    await network.close();
  }
}

await main();
