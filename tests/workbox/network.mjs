// A server that replies to each request as the case specifies.
import { createServer } from "node:http";

/** Replaces `{now}`, `{now+60}`, `{now-60}` with HTTP dates. */
function expandDate(value) {
  const found = /^\{now([+-]\d+)?\}$/.exec(value);
  if (!found) return value;
  return new Date(Date.now() + Number(found[1] ?? 0) * 1000).toUTCString();
}

export class Network {
  /** The next replies; each request removes the first. */
  next = [];
  requests = 0;
  /** Held replies, as functions that send them. */
  held = [];

  constructor(table, files) {
    this.table = table;
    this.files = files;
  }
  async open() {
    this.server = createServer((req, res) => this.handle(req, res));
    await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
    this.address = `http://127.0.0.1:${this.server.address().port}`;
  }
  close() {
    this.release();
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }
  /** Sends the held replies. */
  release() {
    for (const send of this.held.splice(0)) send();
  }

  handle(req, res) {
    const path = req.url.split("?")[0];
    res.sendDate = false;
    const file = this.files[path];
    if (file) {
      res.writeHead(200, { "content-type": file.type, "cache-control": "no-store", "service-worker-allowed": "/" });
      return res.end(file.text);
    }
    if (path === "/portal") {
      res.writeHead(200, { "content-type": "text/html", "cache-control": "no-store", connection: "close" });
      return res.end("<html>Sign in to the Wi-Fi</html>");
    }
    this.requests += 1;
    req.resume();
    const { wire, age } = this.next.shift() ?? { wire: "refused", age: 0 };
    this.send(wire, age, res);
  }

  send(wire, age, res) {
    const named = (name) => this.table.replies[name];
    if (wire === "refused") return res.socket.resetAndDestroy();
    if (wire === "hang") return this.held.push(() => res.destroy());
    if (typeof wire === "string") return this.reply(named(wire), age, res);
    if (wire.late) return this.held.push(() => this.reply(named(wire.late), age, res));
    if (wire.cut || wire.short) {
      const part = wire.cut ?? wire.short;
      res.writeHead(200, { "content-type": "application/json", "content-length": part.length + 9, connection: "close" });
      res.write(part);
      return setTimeout(() => res.destroy(), 30);
    }
    return this.reply(wire, age, res);
  }

  /**
   * `age`: seconds that pass before the next use. They are sent as `Age` to the browser's cache, because the browser's
   * clock cannot be changed.
   */
  reply({ status, headers = {}, body = "", body_of }, age, res) {
    // A correct server sends its time (RFC 9110, 6.6.1); an empty `date` sends none.
    const sent = Object.entries({ date: "{now}", ...headers }).filter(([, value]) => value !== "");
    const all = Object.fromEntries(sent.map(([name, value]) => [name, expandDate(value)]));
    if (age > 0) all.age = String(Number(all.age ?? 0) + age);
    res.writeHead(status, { ...all, connection: "close" });
    res.end(body_of ? `["${"x".repeat(body_of)}"]` : body);
  }
}
