//! Why the server did not accept a change, in the language of the UI, and the page about it for the teacher.
import type { Receipt } from "../../api/types";
import { dateTime } from "../../i18n/format";
import { language, t, type Key } from "../../i18n/index.svelte";
import { nameOf, titleKeyOf } from "./groupReceipts";

const reasons = [
  "quota",
  "clock_days",
  "clock_seconds",
  "unknown_type",
  "server_only",
  "field",
  "malformed",
  "quiz_changed",
  "unknown_question",
  "too_many_answers",
] as const;
const codes = ["invalid", "forbidden", "too_new", "clock_skew", "damaged"] as const;

/** Returns the message for a refusal. A reason that this release does not know is explained by its code. */
export function refusalText(receipt: Receipt): string {
  const name = reasons.find((known) => known === receipt.reasonName);
  if (name) return t(`sync.reason.${name}`, receipt.reasonParams);
  const code = codes.find((known) => known === receipt.code);
  return t(code ? `sync.why.${code}` : "sync.why.other");
}

export interface RefusedRow {
  id: string;
  what: string;
  course: string;
  when: string;
  why: string;
}
export function refusedRow(receipt: Receipt): RefusedRow {
  const titleKey: Key | null = titleKeyOf(receipt);
  const kind = t(nameOf(receipt));
  const title = titleKey ? t(titleKey) : receipt.title;
  return {
    id: receipt.id,
    what: title === kind ? title : t("common.list", { a: title, b: kind }),
    course: receipt.courseTitle,
    when: dateTime(receipt.atMs),
    why: refusalText(receipt),
  };
}

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);

/** Returns a web page with the table, and the data for support at its end. It needs no network and no script. */
export function refusedPage(title: string, intro: string, rows: readonly RefusedRow[], data: string): string {
  const heads = [t("sync.what"), t("sync.course"), t("sync.whenHead"), t("sync.whyHead")];
  const cells = (row: RefusedRow): string =>
    [row.what, row.course, row.when, row.why].map((text) => `<td dir="auto">${escaped(text)}</td>`).join("");
  return `<!doctype html>
<html lang="${language()}" dir="${language() === "ar" ? "rtl" : "ltr"}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #999; padding: .5rem; text-align: start; vertical-align: top; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12px; }
</style>
<h1>${escaped(title)}</h1>
<p>${escaped(intro)}</p>
<table>
<thead><tr>${heads.map((head) => `<th scope="col">${escaped(head)}</th>`).join("")}</tr></thead>
<tbody>
${rows.map((row) => `<tr>${cells(row)}</tr>`).join("\n")}
</tbody>
</table>
<details><summary>${escaped(t("sync.data"))}</summary><pre dir="ltr">${escaped(data)}</pre></details>
</html>
`;
}
