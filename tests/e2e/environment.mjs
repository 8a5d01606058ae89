// Starts and stops a server with the demo library, bridges, and a browser.
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import http from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

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

/** A server on a fixed port, which refuses connections while the server is stopped. */
export class TestServer {
  data = join(tempDir, "school");
  async prepare() {
    this.port = await freePort();
    this.address = `http://127.0.0.1:${this.port}`;
    this.run(["import", join(root, "assets/courses"), join(root, "assets/stories")]);
    this.run(["user", "add", "--login", LOGIN, "--name", "Ada", "--password-stdin"], `${PASSWORD}\n`);
  }
  run(args, input) {
    const all = [...args, "--data", this.data];
    const result = spawnSync(join(bin, "carrel-server"), all, { input, encoding: "utf8" });
    if (result.error || result.status !== 0)
      throw new Error(`carrel-server ${args[0]}: ${result.error?.message ?? ""}${result.stdout}${result.stderr}`);
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
  async open() {
    this.child = start("carrel-server", ["serve", "--data", this.data, "--listen", `127.0.0.1:${this.port}`]);
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
 * The network between a device and the server: an HTTP proxy that can hold requests until they are released. Marks
 * cacheable responses other than blobs as stale, so that each use of them sends a request.
 */
export class Network {
  held = [];
  isHeld = false;
  async open(port) {
    this.target = port;
    this.server = http.createServer((request, response) => {
      const forward = () => this.forward(request, response);
      if (this.isHeld) this.held.push(forward);
      else forward();
    });
    await new Promise((resolvePromise) => this.server.listen(0, "127.0.0.1", resolvePromise));
    this.address = `http://127.0.0.1:${this.server.address().port}`;
  }
  forward(request, response) {
    const { method, url, headers } = request;
    const upstream = http.request({ host: "127.0.0.1", port: this.target, method, path: url, headers }, (reply) => {
      const isCacheable = method === "GET" && reply.headers["cache-control"] && !url.startsWith("/api/blobs/");
      const stale = isCacheable ? { "cache-control": "max-age=0" } : {};
      response.writeHead(reply.statusCode, { ...reply.headers, ...stale });
      reply.pipe(response);
    });
    upstream.on("error", () => response.destroy());
    response.on("close", () => upstream.destroy());
    request.pipe(upstream);
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

/** A device: a bridge with its own data folder. */
export class Device {
  constructor(name) {
    this.name = name;
    this.data = join(tempDir, name);
  }
  async open() {
    const args = ["--data", this.data, "--ui", join(root, "ui/dist"), "--device-name", this.name];
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
