import { describe, expect, it } from "vitest";
import type { Receipt } from "../src/api/types";
import { groupReceipts, titleKeyOf } from "../src/features/sync/groupReceipts";

const receipt = (part: Partial<Receipt>): Receipt => ({
  id: "x",
  rowType: "progress",
  title: "Meanders",
  courseTitle: "Rivers",
  percent: null,
  activeMs: null,
  state: "saved_here",
  atMs: 1,
  reason: "",
  reasonName: "",
  reasonParams: {},
  code: "",
  ...part,
});

describe("receipts", () => {
  it("groups the receipts of one item", () => {
    const list = groupReceipts([
      receipt({ id: "a", rowType: "session", activeMs: 60_000, atMs: 9 }),
      receipt({ id: "b", title: "Deltas" }),
      receipt({ id: "c", percent: 5000, atMs: 3 }),
      receipt({ id: "d", rowType: "session", activeMs: 30_000 }),
      receipt({ id: "e", rowType: "answer" }),
      receipt({ id: "f", rowType: "answer" }),
    ]);
    expect(list.map((s) => s.id)).toEqual(["a", "b"]);
    expect(list[0]).toMatchObject({
      atMs: 9,
      rows: [
        { rowType: "progress", percent: 5000 },
        { rowType: "answer", activeMs: null },
        { rowType: "session", activeMs: 90_000 },
      ],
    });
  });
  it("names a key-value row by its namespace", () => {
    const name = (id: string): string | undefined => groupReceipts([receipt({ id, rowType: "kv" })])[0]?.rows[0]?.name;
    expect(name("kv:device\u001f01a1f8d3")).toBe("sync.row.kv.device");
    expect(name("kv:enrolment\u001frivers")).toBe("sync.row.kv.enrolment");
    expect(name("kv:of-a-later-version\u001fx")).toBe("sync.row.kv");
  });
  it.each([
    ["kv", "kv:setting\u001ftheme", "theme", "settings.theme"],
    ["kv", "kv:setting\u001fdownloadCharging", "downloadCharging", "settings.charging"],
    ["kv", "kv:setting\u001fdownload_metered", "download_metered", "settings.metered"],
    ["kv", "kv:setting\u001fof-a-later-version", "of-a-later-version", "sync.row.kv.setting"],
    ["kv", "kv:later\u001fx", "x", "sync.row.kv"],
    ["kv", "kv:device\u001f01a1f8d3", "Tablet 4", null],
    ["kv", "kv:enrolment\u001frivers", "Rivers", null],
    ["review_void", "review_void:x", "0190a000-0000-7000-8000-000000000004", "sync.row.review_void"],
    ["review", "review:x", "lantern", null],
    ["progress", "progress:x", "Meanders", null],
  ] as const)("a %s row %j has a readable title", (rowType, id, title, key) => {
    expect(titleKeyOf({ rowType, id, title })).toBe(key);
  });
  it("does not group different states or courses", () => {
    expect(groupReceipts([receipt({}), receipt({ state: "accepted" }), receipt({ courseTitle: "Seas" })])).toHaveLength(
      3,
    );
  });
});
