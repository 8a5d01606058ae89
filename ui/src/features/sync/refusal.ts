//! Refused changes as a page for the teacher.
import type { Receipt } from "../../api/types";
import { nameOf, refusalText } from "../../components/sync/rowText";
import { dateTime } from "../../i18n/format";
import { language, t, type Key } from "../../i18n/index.svelte";
import { titleKeyOf } from "./groupReceipts";

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
