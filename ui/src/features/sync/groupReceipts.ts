//! Groups the receipts of one item (progress, study time, quiz answers) that are in the same state.
import type { Receipt } from "../../api/types";
import { nameOf } from "../../components/sync/rowText";
import type { Key } from "../../i18n/index.svelte";

const SETTINGS: Readonly<Record<string, Key>> = {
  theme: "settings.theme",
  language: "settings.language",
  readingfont: "settings.font",
  textsize: "settings.size",
  lineheight: "settings.leading",
  measure: "settings.measure",
  narrationspeed: "settings.speed",
  downloadmetered: "settings.metered",
  downloadcharging: "settings.charging",
  keyshortcuts: "sync.setting.keyShortcuts",
  senddurations: "sync.setting.sendDurations",
};
/**
 * Returns the message key of the title of a row whose own title is only a key of the store: the name of a setting, or
 * of the kind of row if its key is an id. Null if the row has a title.
 */
export function titleKeyOf(receipt: Pick<Receipt, "id" | "rowType" | "title">): Key | null {
  if (receipt.rowType === "kv") {
    const [, ns, key = ""] = /^kv:([^\u001f]*)\u001f(.*)$/s.exec(receipt.id) ?? [];
    if (ns === "setting") return SETTINGS[key.toLowerCase().replace(/[^a-z]/g, "")] ?? "sync.row.kv.setting";
    return receipt.title === "" || (ns !== "device" && ns !== "enrolment" && ns !== "completed")
      ? nameOf(receipt)
      : null;
  }
  // A row that only refers to another row by its id.
  return /^[0-9a-f]{8}-[0-9a-f]{4}-/.test(receipt.title) || receipt.title === "" ? nameOf(receipt) : null;
}
/** Order of row types in a group: progress and results, then study time, then all others. */
const ORDER: readonly Receipt["rowType"][] = ["progress", "attempt", "answer", "grade", "session"];
const rank = (type: Receipt["rowType"]): number => (ORDER.includes(type) ? ORDER.indexOf(type) : ORDER.length);

export type ReceiptGroup = {
  /** Id of the first receipt. */
  id: string;
  title: string;
  /** Message key that replaces the title, see `titleKeyOf`. */
  titleKey: Key | null;
  courseTitle: string;
  state: Receipt["state"];
  /** Time of the newest receipt. */
  atMs: number;
  /** Number of receipts. */
  count: number;
  /** One entry per row type, sorted by `ORDER`, with the highest percentage and the total study time. */
  rows: (Pick<Receipt, "rowType" | "percent" | "activeMs"> & { name: Key })[];
};

const maxOrNull = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.max(a, b);
const sumOrNull = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : a + b);

const row = (r: Receipt): ReceiptGroup["rows"][number] => ({
  rowType: r.rowType,
  name: nameOf(r),
  percent: r.percent,
  activeMs: r.activeMs,
});

/** Groups receipts of equal title, course title and state. Groups are in the order of their first receipts. */
export function groupReceipts(receipts: readonly Receipt[]): ReceiptGroup[] {
  const found = new Map<string, ReceiptGroup>();
  for (const r of receipts) {
    const titleKey = titleKeyOf(r);
    const key = JSON.stringify([titleKey ?? r.title, r.courseTitle, r.state]);
    const group = found.get(key);
    if (!group) {
      found.set(key, {
        id: r.id,
        title: r.title,
        titleKey,
        courseTitle: r.courseTitle,
        state: r.state,
        atMs: r.atMs,
        count: 1,
        rows: [row(r)],
      });
      continue;
    }
    group.count += 1;
    group.atMs = Math.max(group.atMs, r.atMs);
    const same = group.rows.find((row) => row.rowType === r.rowType);
    if (same) {
      same.percent = maxOrNull(same.percent, r.percent);
      same.activeMs = sumOrNull(same.activeMs, r.activeMs);
    } else {
      group.rows.push(row(r));
    }
  }
  for (const group of found.values()) group.rows.sort((a, b) => rank(a.rowType) - rank(b.rowType));
  return [...found.values()];
}
