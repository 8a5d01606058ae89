// Starts and stops a server with the demo library, bridges, and a browser.
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import http from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { TEST_COURSE, writeTestCourse } from "./course.mjs";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const bin = process.env.CARREL_BIN_DIR ?? join(root, "target/debug");
const requireFromUi = createRequire(join(root, "ui/package.json"));
export const { chromium } = requireFromUi("playwright-core");
export const axePath = requireFromUi.resolve("axe-core/axe.min.js");

export const LOGIN = "ada";
export const PASSWORD = "a test password";

const tempDir = mkdtempSync(join(tmpdir(), "carrel-e2e-"));
const children = new Set();

function start(program, args) {
  const child = spawn(join(bin, program), args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, RUST_LOG: process.env.RUST_LOG ?? "warn", CARREL_LOG: process.env.CARREL_LOG ?? "warn" },
  });
  children.add(child);
  child.on("exit", () => children.delete(child));
  return child;
}
/** Returns the first line of a program's output. The programs print it when they are ready. */
function firstLine(child, name) {
  return new Promise((resolvePromise, reject) => {
    let text = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (chunk) => {
      text += chunk;
      if (text.includes("\n")) resolvePromise(text.split("\n")[0]);
    });
    child.on("exit", (code) => reject(new Error(`${name} exited with ${code} before it was ready`)));
    child.on("error", (e) => reject(new Error(`${name}: ${e.message}; hint: cargo build --workspace --bins`)));
  });
}
function stop(child) {
  return new Promise((resolvePromise) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return resolvePromise();
    child.once("exit", resolvePromise);
    child.kill("SIGTERM");
  });
}
function freePort() {
  return new Promise((resolvePromise, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolvePromise(port));
    });
  });
}

/** Runs an admin command of the server. */
function administer(data, args, input) {
  const result = spawnSync(join(bin, "carrel-server"), [...args, "--data", data], { input, encoding: "utf8" });
  if (result.error || result.status !== 0)
    throw new Error(`carrel-server ${args[0]}: ${result.error?.message ?? ""}${result.stdout}${result.stderr}`);
}
/** Creates the data of a server with the demo library and the test course, and the same library as files for the app. */
export function createSchool(folder) {
  const data = join(folder, "school");
  writeTestCourse(join(folder, "packages", TEST_COURSE));
  const packages = [join(root, "assets/courses"), join(root, "assets/stories"), join(folder, "packages")];
  administer(data, ["import", ...packages]);
  administer(data, ["export-library", join(folder, "demo")]);
  administer(data, ["user", "add", "--login", LOGIN, "--name", "Ada", "--password-stdin"], `${PASSWORD}\n`);
}
/** The folder of `createSchool`. `run.mjs` creates it once for all scripts; a script on its own creates its own. */
function school() {
  const folder = process.env.CARREL_E2E_SCHOOL ?? join(tempDir, "prepared");
  if (!existsSync(folder)) createSchool(folder);
  return folder;
}
export const demoFolder = () => join(school(), "demo");

/** A server on a fixed port, which refuses connections while the server is stopped. */
export class TestServer {
  data = join(tempDir, "school");
  async prepare() {
    this.port = await freePort();
    this.address = `http://127.0.0.1:${this.port}`;
    cpSync(join(school(), "school"), this.data, { recursive: true });
  }
  run(args, input) {
    administer(this.data, args, input);
  }
  addLearner(login, name) {
    this.run(["user", "add", "--login", login, "--name", name, "--password-stdin"], `${PASSWORD}\n`);
  }
  /** Publishes a new version of a demo course, with `file` changed. */
  republish(course, file, change) {
    const folder = join(tempDir, "changed", course);
    cpSync(join(root, "assets/courses", course), folder, { recursive: true });
    const before = readFileSync(join(folder, file), "utf8");
    const after = change(before);
    if (after === before) throw new Error(`the change has no effect on ${file}`);
    writeFileSync(join(folder, file), after);
    this.run(["import", join(tempDir, "changed")]);
  }
  async open(options = []) {
    const listen = ["--listen", `127.0.0.1:${this.port}`];
    this.child = start("carrel-server", ["serve", "--data", this.data, ...listen, ...options]);
    await firstLine(this.child, "carrel-server");
  }
  async close() {
    await stop(this.child);
    const isRefused = await fetch(`${this.address}/api/meta`).then(
      () => false,
      () => true,
    );
    if (!isRefused) throw new Error("the port of the stopped server still accepts requests");
  }
}

/**
 * The network between a device and the server: an HTTP proxy that can hold requests until they are released, and can be
 * cut. Marks cacheable responses other than blobs as stale, so that each use of them sends a request.
 */
export class Network {
  held = [];
  isHeld = false;
  /** Method, path and status of each answered request. */
  log = [];
  /** Changes the JSON of pushed work before the server gets it, if set. */
  changePush;
  async open(port) {
    this.target = port;
    this.port = await freePort();
    this.address = `http://127.0.0.1:${this.port}`;
    await this.restore();
  }
  /** Opens the port again after `cut`. */
  async restore() {
    if (this.server?.listening) return;
    this.server = http.createServer((request, response) => {
      const forward = () => this.forward(request, response);
      if (this.isHeld) this.held.push(forward);
      else forward();
    });
    await new Promise((resolvePromise) => this.server.listen(this.port, "127.0.0.1", resolvePromise));
  }
  /** Ends all connections and closes the port: further requests are refused. */
  cut() {
    return new Promise((resolvePromise) => {
      this.server.close(resolvePromise);
      this.server.closeAllConnections();
    });
  }
  forward(request, response) {
    const { method, url, headers } = request;
    const options = { host: "127.0.0.1", port: this.target, method, path: url, headers: { ...headers } };
    const answer = (reply) => {
      this.log.push({ method, url, status: reply.statusCode });
      const isCacheable = method === "GET" && reply.headers["cache-control"] && !url.startsWith("/api/blobs/");
      const stale = isCacheable ? { "cache-control": "max-age=0" } : {};
      response.writeHead(reply.statusCode, { ...reply.headers, ...stale });
      reply.pipe(response);
    };
    const send = (body) => {
      const upstream = http.request(options, answer);
      upstream.on("error", () => response.destroy());
      response.on("close", () => upstream.destroy());
      if (body === undefined) request.pipe(upstream);
      else upstream.end(body);
    };
    if (!this.changePush || !url.endsWith("/sync/push")) return send();
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const bytes = Buffer.concat(chunks);
      const text = headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes;
      const body = Buffer.from(JSON.stringify(this.changePush(JSON.parse(text.toString("utf8")))));
      delete options.headers["content-encoding"];
      delete options.headers["transfer-encoding"];
      options.headers["content-length"] = String(body.length);
      send(body);
    });
  }
  hold() {
    this.isHeld = true;
  }
  release() {
    this.isHeld = false;
    this.held.splice(0).forEach((forward) => forward());
  }
  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** A device: a bridge with its own data folder. With `hasDemo`, the demo library is included in the app. */
export class Device {
  constructor(name, { hasDemo = false } = {}) {
    this.name = name;
    this.data = join(tempDir, name);
    this.hasDemo = hasDemo;
  }
  async open() {
    const args = ["--data", this.data, "--ui", join(root, "ui/dist"), "--device-name", this.name];
    if (this.hasDemo) args.push("--demo", demoFolder());
    this.child = start("carrel-bridge", args);
    this.url = await firstLine(this.child, "carrel-bridge");
  }
  /** Calls a command of the bridge, without the UI. */
  async call(name, request = {}) {
    const reply = await fetch(`${this.url}api/call/${name}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    const body = await reply.json();
    if (!reply.ok) throw new Error(`${name}: ${body.code}: ${body.message}`);
    return body;
  }
  kill() {
    return new Promise((resolvePromise) => {
      this.child.once("exit", resolvePromise);
      this.child.kill("SIGKILL");
    });
  }
}

export function browser() {
  const executablePath =
    process.env.CARREL_CHROMIUM ??
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((p) => existsSync(p));
  if (!executablePath) throw new Error("no Chromium was found; hint: install chromium, or set CARREL_CHROMIUM");
  const args = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
  ];
  return chromium.launch({ executablePath, headless: true, args });
}

export async function cleanUp() {
  await Promise.all([...children].map(stop));
  rmSync(tempDir, { recursive: true, force: true });
}
