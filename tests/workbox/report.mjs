// Prints the table: the case, the result required by the RFCs, Carrel, Workbox.
const STRATEGIES = ["stale-while-revalidate", "network-first", "cache-first", "network-only", "cache-only"];
const list = (value) => (Array.isArray(value) ? value : [value]);
const cut = (text, width) => (text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width));

/**
 * Returns true if the result conforms to the RFCs: one of the allowed responses with one of the allowed numbers of
 * requests.
 */
function conforms(step, seen) {
  return seen.skipped !== undefined || (list(step.response).includes(seen.response) && list(step.requests).includes(seen.requests));
}
const formatResult = (seen) => (seen.skipped ? "-" : `${seen.response} ·${seen.requests}`);
const formatExpected = (step) => `${list(step.response).join("|")} ·${list(step.requests).join("|")}`;
const chain = (parts) => parts.join(" > ");

export function print(rows, versions) {
  const out = [];
  out.push(`The fault table: Carrel, and Workbox ${versions.workbox} in Chromium ${versions.chromium} with the browser's HTTP cache on.`);
  out.push("response ·requests for each step; none: an error and no response; waits: no response within 4 s; refused: the response is rejected; page: a sign-in page is returned");
  out.push("= conforms to the RFCs   ! does not   p deviates intentionally   - not run\n");
  const count = {};
  for (const strategy of STRATEGIES) {
    count[strategy] = { all: 0, carrel: 0, intentional: 0, workbox: 0, run: 0 };
    out.push(`== ${strategy}`);
    for (const { row, carrel, workbox } of rows.filter((r) => r.row.strategy === strategy)) {
      const c = count[strategy];
      const ours = row.steps.every((s, i) => conforms(s, carrel[i]));
      const intentional = row.steps.some((s, i) => !conforms(s, carrel[i]) && s.reason);
      const theirs = row.steps.every((s, i) => conforms(s, workbox[i]));
      const skipped = workbox.some((s) => s.skipped);
      c.all += 1;
      c.carrel += ours ? 1 : 0;
      c.intentional += !ours && intentional ? 1 : 0;
      c.run += skipped ? 0 : 1;
      c.workbox += !skipped && theirs ? 1 : 0;
      const mark = ours ? "=" : intentional ? "p" : "!";
      const their = skipped ? "-" : theirs ? "=" : "!";
      out.push(`${cut(row.name, 54)} ${cut(row.rfc, 30)} ${cut(chain(row.steps.map(formatExpected)), 34)} ${mark} ${cut(chain(carrel.map(formatResult)), 28)} ${their} ${chain(workbox.map(formatResult))}`);
    }
    out.push("");
  }
  out.push(`${"strategy".padEnd(24)} cases   Carrel conforms, intentional   Workbox conforms, run`);
  const sum = { all: 0, carrel: 0, intentional: 0, workbox: 0, run: 0 };
  for (const strategy of STRATEGIES) {
    const c = count[strategy];
    for (const key of Object.keys(sum)) sum[key] += c[key];
    out.push(line(strategy, c));
  }
  out.push(line("total", sum));
  out.push("\nDeviations of Carrel with their reasons:");
  for (const { row, carrel, workbox } of rows) {
    row.steps.forEach((s, i) => {
      if (conforms(s, carrel[i])) return;
      const them = conforms(s, workbox[i]) ? "Workbox conforms" : `Workbox: ${formatResult(workbox[i])}`;
      out.push(`- ${row.strategy}, ${row.name}: RFC ${formatExpected(s)}, Carrel ${formatResult(carrel[i])}: ${s.reason || "no reason"}. ${them}.`);
    });
  }
  return `${out.join("\n")}\n`;
}
function line(name, c) {
  return `${name.padEnd(24)} ${String(c.all).padStart(5)}   ${String(c.carrel).padStart(15)}, ${String(c.intentional).padStart(11)}   ${String(c.workbox).padStart(16)}, ${String(c.run).padStart(3)}`;
}
