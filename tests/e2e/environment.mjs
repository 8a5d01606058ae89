// Starts and stops a server with the demo library, devices on bridges, and a browser.
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
const fromUi = createRequire(join(root, "ui/package.json"));
export const { chromium } = fromUi("playwright-core");
export const axePath = fromUi.resolve("axe-core/axe.min.js");

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
/** Returns the first line that a program prints, which means that it is ready. */
function firstLine(child, name) {
  return new Promise((done, fail) => {
    let text = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (piece) => {
      text += piece;
      if (text.includes("\n")) done(text.split("\n")[0]);
    });
    child.on("exit", (code) => fail(new Error(`${name} exited with ${code} before it was ready`)));
    child.on("error", (e) => fail(new Error(`${name}: ${e.message}; hint: cargo build --workspace --bins`)));
  });
}
function stop(child) {
  return new Promise((done) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return done();
    child.once("exit", done);
    child.kill("SIGTERM");
  });
}
function freePort() {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** A server with a fixed address, which refuses connections while the server is stopped. */
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
    const done = spawnSync(join(bin, "carrel-server"), all, { input, encoding: "utf8" });
    if (done.error || done.status !== 0)
      throw new Error(`carrel-server ${args[0]}: ${done.error?.message ?? ""}${done.stdout}${done.stderr}`);
  }
  /** Publishes a course of the demo library again, with `file` changed. */
  republish(course, file, change) {
    const folder = join(tempDir, "changed", course);
    cpSync(join(root, "assets/courses", course), folder, { recursive: true });
    const before = readFileSync(join(folder, file), "utf8");
    const after = change(before);
    if (after === before) throw new Error(`${file} was not changed`);
    writeFileSync(join(folder, file), after);
    this.run(["import", join(tempDir, "changed")]);
  }
  async open() {
    this.child = start("carrel-server", ["serve", "--data", this.data, "--listen", `127.0.0.1:${this.port}`]);
    await firstLine(this.child, "carrel-server");
  }
  async close() {
    await stop(this.child);
    const refused = await fetch(`${this.address}/api/meta`).then(
      () => false,
      () => true,
    );
    if (!refused) throw new Error("the server is stopped, but its address still answers");
  }
}

/**
 * A network between a device and the server that holds every request until it is released. Answers are stale
 * immediately, so that each use requests them again.
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
    await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
    this.address = `http://127.0.0.1:${this.server.address().port}`;
  }
  forward(request, response) {
    const { method, url, headers } = request;
    const sent = http.request({ host: "127.0.0.1", port: this.target, method, path: url, headers }, (reply) => {
      const stored = method === "GET" && reply.headers["cache-control"] && !url.startsWith("/api/blobs/");
      const outdated = stored ? { "cache-control": "max-age=0" } : {};
      response.writeHead(reply.statusCode, { ...reply.headers, ...outdated });
      reply.pipe(response);
    });
    sent.on("error", () => response.destroy());
    response.on("close", () => sent.destroy());
    request.pipe(sent);
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

/** The client for one browser page. */
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
  /** Calls a command directly, to compare the state of two devices. */
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
    return new Promise((done) => {
      this.child.once("exit", done);
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
