// Prints gzip sizes of the files in ui/dist, and fails if one of two sums is over its limit: the first load (entry,
// static imports, styles, one message catalogue; 120 kB), and all scripts and styles (600 kB).
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url).pathname;
const size = (path) => gzipSync(readFileSync(join(dist, path)), { level: 9 }).length;
const html = readFileSync(join(dist, "index.html"), "utf8");
const first = new Set([...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.(?:js|css))"/g)].map((m) => m[1]));
for (const file of first) {
  if (!file.endsWith(".js")) continue;
  for (const [, , other] of readFileSync(join(dist, file), "utf8").matchAll(/(import|from)\s*"\.\/([^"]+\.js)"/g))
    first.add(`assets/${other}`);
}
// The first load includes one message catalogue.
const all = readdirSync(join(dist, "assets"));
const english = all.find((f) => /^en-.*\.js$/.test(f));
if (english) first.add(`assets/${english}`);
let total = 0;
for (const file of first) {
  const bytes = size(file);
  total += bytes;
  console.log(`${String(bytes).padStart(8)}  ${file}`);
}
const whole = all.filter((f) => /\.(js|css)$/.test(f)).reduce((sum, f) => sum + size(`assets/${f}`), 0);
const fonts = all
  .filter((f) => f.endsWith(".woff2"))
  .reduce((sum, f) => sum + readFileSync(join(dist, "assets", f)).length, 0);
console.log(
  `first load ${(total / 1000).toFixed(1)} kB (limit 120); all scripts and styles ${(whole / 1000).toFixed(1)} kB (limit 600); fonts ${(fonts / 1e6).toFixed(2)} MB (woff2, subsets loaded when needed)`,
);
if (total > 120_000 || whole > 600_000) process.exit(1);
