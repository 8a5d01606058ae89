// Runs all scripts with one prepared library. With names as arguments, runs only these.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createSchool } from "./environment.mjs";

const SCRIPTS = [
  "loop",
  "learners",
  "slow",
  "scenarios",
  "access",
  "keys",
  "fonts",
  "programs",
  "names",
  "staff",
  "storybooks",
];
const folder = dirname(fileURLToPath(import.meta.url));
const names = process.argv.slice(2);
const unknown = names.filter((name) => !SCRIPTS.includes(name));
if (unknown.length > 0) throw new Error(`unknown script ${unknown.join(", ")}; hint: ${SCRIPTS.join(", ")}`);

const prepared = mkdtempSync(join(tmpdir(), "carrel-e2e-library-"));
try {
  createSchool(prepared);
  const env = { ...process.env, CARREL_E2E_SCHOOL: prepared };
  const failed = (names.length > 0 ? names : SCRIPTS).filter((name) => {
    console.log(`${name}.mjs`);
    const before = Date.now();
    const { status } = spawnSync(process.execPath, [join(folder, `${name}.mjs`)], { env, stdio: "inherit" });
    console.log(`${name}.mjs: ${((Date.now() - before) / 1000).toFixed(1)} s`);
    return status !== 0;
  });
  if (failed.length > 0) {
    console.error(`failed: ${failed.join(", ")}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(prepared, { recursive: true, force: true });
}
