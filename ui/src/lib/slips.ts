// One slip for one thing: reading it, the time it took and the answers of its quiz belong together.
import type { Receipt } from "./api/types";

export type Slip = {
  /** Of its first receipt. */
  id: string;
  title: string;
  courseTitle: string;
  state: Receipt["state"];
  /** The latest. */
  atMs: number;
  /** Each kind once, in the order in which it came: the highest percentage, the sum of the time. */
  rows: Pick<Receipt, "rowType" | "percent" | "activeMs">[];
};

const most = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.max(a, b));
const sum = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : a + b);

/** Receipts of one thing in one state as one slip, in the order of the first of each. */
export function slips(receipts: readonly Receipt[]): Slip[] {
  const found = new Map<string, Slip>();
  for (const r of receipts) {
    const key = JSON.stringify([r.title, r.courseTitle, r.state]);
    const slip = found.get(key);
    if (!slip) {
      found.set(key, { id: r.id, title: r.title, courseTitle: r.courseTitle, state: r.state, atMs: r.atMs, rows: [{ rowType: r.rowType, percent: r.percent, activeMs: r.activeMs }] });
      continue;
    }
    slip.atMs = Math.max(slip.atMs, r.atMs);
    const row = slip.rows.find((row) => row.rowType === r.rowType);
    if (row) {
      row.percent = most(row.percent, r.percent);
      row.activeMs = sum(row.activeMs, r.activeMs);
    } else {
      slip.rows.push({ rowType: r.rowType, percent: r.percent, activeMs: r.activeMs });
    }
  }
  return [...found.values()];
}
