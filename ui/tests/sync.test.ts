import { flushSync } from "svelte";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import Announcements from "../src/app/Announcements.svelte";
import type { Receipt, ReceiptList, SyncStatus } from "../src/api/types";
import Sync from "../src/features/sync/Sync.svelte";
import { accepted, amina, idle, offline, refused, stateOf, waiting } from "../src/platform/fixture/accounts";
import { announcer } from "../src/state/announce.svelte";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { allByRole, byRole, click, rendered, fail, scriptPlatform, show, text, type } from "./support";

const SYNCED = "All work is synced";
const platform = scriptPlatform();
let close: (() => void)[] = [];

const second: Receipt = {
  ...refused[0]!,
  id: "attempt 9",
  title: "Deltas: test",
  reason: "",
  reasonName: "",
  code: "too_new",
};

/** Opens the screen in this state, and the announcements. */
async function open(status: Partial<SyncStatus>, receipts: Partial<ReceiptList> = {}) {
  await appState.replace(stateOf(amina, { ...idle, ...status }, [amina]));
  platform.replies["list_receipts"] ??= () => ({ waiting: [], refused: [], accepted: [], ...receipts });
  const screen = show(Sync, {});
  const messages = show(Announcements, {});
  close = [screen.close, messages.close];
  await rendered();
  return { target: screen.target, message: () => text(byRole(messages.target, "status")) };
}
/** Returns the titles in a section of the screen; empty if the section is not shown. */
const titles = (target: Element, section: string): string[] =>
  allByRole(target, "region", section)
    .flatMap((region) => allByRole(region, "listitem"))
    .map((row) => text(row.querySelector("b")!));

/** Reads a file. The blobs of jsdom have no method for it. */
const read = (blob: Blob): Promise<string> =>
  new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.readAsText(blob);
  });

beforeAll(() => appState.load());
beforeEach(() => {
  platform.replies = {};
  platform.calls = [];
  clearKeptReplies();
  announcer.clear();
});
afterEach(() => {
  close.forEach((c) => c());
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("the state of sync", () => {
  it("shows the number of waiting items and a row for each", async () => {
    const { target } = await open(offline, { waiting });
    expect(text(byRole(target, "status"))).toContain("3 items are waiting for the network");
    expect(titles(target, "Waiting")).toEqual(["The Lamp by the Sea", "Check yourself", "Why rivers wander"]);
  });

  it("names settings and words instead of showing the keys of rows", async () => {
    const row = (id: string, rowType: Receipt["rowType"], title: string): Receipt => ({
      ...waiting[0]!,
      id,
      rowType,
      title,
      courseTitle: "",
      percent: null,
      activeMs: null,
    });
    const { target } = await open(idle, {
      accepted: [
        row("kv:setting\u001ftheme", "kv", "theme"),
        row("kv:setting\u001flanguage", "kv", "language"),
        row("review:1", "review", "lantern"),
        row("review_void:1", "review_void", "0190a000-0000-7000-8000-000000000004"),
      ],
    });
    const rows = allByRole(byRole(target, "region", "Accepted"), "listitem");
    expect(rows.map((one) => [text(one.querySelector("b")!), text(one.querySelector("small")!)])).toEqual([
      ["Theme", "Setting"],
      ["Language", "Setting"],
      ["lantern", "Word added"],
      ["Word removed", ""],
    ]);
  });

  it.each([
    { waiting: 0, refused: 0, title: SYNCED },
    { waiting: 2, refused: 0, title: "2 items are waiting to be sent" },
    { waiting: 0, refused: 1, title: "1 item was not accepted" },
    { waiting: 0, refused: 2, title: "2 items were not accepted" },
    { waiting: 1, refused: 1, title: "1 item is waiting to be sent" },
    { waiting: 1, refused: 2, title: "2 items were not accepted" },
  ])("with $waiting waiting and $refused refused shows: $title", async ({ waiting, refused, title }) => {
    const { target } = await open({ waiting, refused });
    expect(text(byRole(target, "status"))).toContain(title);
    expect(text(byRole(target, "status")).includes(SYNCED)).toBe(title === SYNCED);
  });

  it("shows that all work is synced only when idle", async () => {
    const { target } = await open({ phase: "offline" });
    for (const phase of ["offline", "signed_out", "server_error", "running", "local"] as const) {
      platform.emit({ kind: "sync", status: { ...idle, phase } });
      flushSync();
      expect(text(byRole(target, "status")), phase).not.toContain(SYNCED);
    }
    platform.emit({ kind: "sync", status: idle });
    flushSync();
    expect(text(byRole(target, "status"))).toContain(SYNCED);
  });

  it("offers to sign in instead of to sync after the session ended", async () => {
    const { target } = await open({ phase: "signed_out", waiting: 2 });
    expect(byRole(target, "link", "Sign in").getAttribute("href")).toBe("#/welcome");
    expect(allByRole(target, "button", "Sync now")).toEqual([]);
  });
});

describe("refused rows", () => {
  it.each([
    ["quota", { rows: "50000", mib: "64" }, "forbidden", "There is no more space for your work on the server"],
    ["clock_days", { days: "40" }, "clock_skew", "The clock of this device was 40 days ahead."],
    ["a_newer_reason", {}, "invalid", "The school's rules do not allow this."],
    ["", {}, "forbidden", "This account is not permitted to send this."],
    ["", {}, "new_code", "The server did not accept it."],
  ])("explain the reason '%s' in the language of the UI", async (reasonName, reasonParams, code, words) => {
    const row: Receipt = { ...refused[0]!, reason: "raw English", reasonName, reasonParams, code };
    const { target } = await open({ refused: 1 }, { refused: [row] });
    const region = byRole(target, "region", "Not accepted");
    expect(text(region)).toContain(words);
    expect(text(region)).not.toContain("raw English");
  });

  it("count in the head and in the list like the badge", async () => {
    const { target } = await open(
      { waiting: 4, refused: 1 },
      { waiting: [...waiting, { ...waiting[0]!, id: "session 8", rowType: "session" }], refused },
    );
    expect(text(byRole(target, "status"))).toContain("1 item was not accepted");
    const list = byRole(target, "region", "Waiting");
    expect(text(list)).toContain("4 items");
    const counts = allByRole(list, "listitem").map((row) => Number(/(\d) items/.exec(text(row))?.[1] ?? 1));
    expect(counts.reduce((a, b) => a + b)).toBe(4);
  });

  it("are listed with the reason, and all of them can be exported", async () => {
    const { target, message } = await open({ refused: 2 }, { refused: [...refused, second] });
    expect(titles(target, "Not accepted")).toEqual(["Erosion: test, attempt 4", "Deltas: test"]);
    const region = byRole(target, "region", "Not accepted");
    expect(text(region)).toContain("An attempt can have at most 2000 answers.");
    expect(text(region)).not.toContain("question: more than");
    expect(text(region)).toContain("The server is older than this app.");

    platform.replies["export_refused"] = () => ({ fileName: "refused.json", text: '["the refused rows"]' });
    await click(byRole(region, "button", "Show for your teacher"));
    const dialog = byRole(target, "dialog", "For your teacher");
    expect(text(dialog)).toContain('["the refused rows"]');
    expect(text(dialog)).toContain("Amina Diallo (amina), Lakeside School");
    const cells = allByRole(dialog, "row").map((row) => allByRole(row, "cell").map(text));
    expect(cells.slice(1)).toEqual([
      [
        "Erosion: test, attempt 4, Quiz",
        "How Rivers Work",
        expect.any(String),
        "An attempt can have at most 2000 answers.",
      ],
      ["Deltas: test, Quiz", "How Rivers Work", expect.any(String), expect.stringContaining("The server is older")],
    ]);

    const saved: Blob[] = [];
    vi.stubGlobal("URL", { createObjectURL: (blob: Blob) => `blob:${saved.push(blob)}`, revokeObjectURL: () => {} });
    const links: string[] = [];
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
      links.push(`${this.download} ${this.getAttribute("href")}`);
    });
    await click(byRole(dialog, "button", "Save the data only"));
    expect(links).toEqual(["refused.json blob:1"]);
    expect(saved.map((blob) => [blob.type, blob.size])).toEqual([["application/json", '["the refused rows"]'.length]]);
    expect(message()).toContain("Saved as refused.json");
    await click(byRole(dialog, "button", "Save this page"));
    expect(links.at(-1)).toBe("refused.html blob:2");
    expect(saved[1]!.type).toBe("text/html");
    const page = new DOMParser().parseFromString(await read(saved[1]!), "text/html");
    expect(page.querySelectorAll("tbody tr")).toHaveLength(2);
    expect(page.querySelector("pre")!.textContent).toBe('["the refused rows"]');
    expect(page.querySelectorAll("script")).toHaveLength(0);
  });

  it("can be exported from the row when there is only one", async () => {
    const { target } = await open({ refused: 1 }, { refused });
    await click(byRole(target, "button", "show it to your teacher"));
    expect(platform.requests("export_refused")).toHaveLength(1);
    expect(allByRole(target, "dialog", "For your teacher")).toHaveLength(1);
  });

  it("show why the export failed, and no dialog", async () => {
    const { target, message } = await open({ refused: 1 }, { refused });
    platform.replies["export_refused"] = () => fail("storage");
    await click(byRole(target, "button", "show it to your teacher"));
    expect(message()).toContain("The database of this device cannot be read");
    expect(allByRole(target, "dialog")).toEqual([]);
  });

  it("are moved to 'Waiting' when they are sent again, and stay if that fails", async () => {
    const { target, message } = await open({ refused: 1 }, { refused });
    platform.replies["retry_refused"] = () => fail("disk_full");
    await click(byRole(target, "button", "send it again"));
    expect(message()).toContain("Free some space");
    expect(titles(target, "Not accepted")).toEqual(["Erosion: test, attempt 4"]);

    const again = refused.map((r): Receipt => ({ ...r, state: "saved_here" }));
    platform.replies["retry_refused"] = () => ({ waiting: again, refused: [], accepted: [] });
    await click(byRole(target, "button", "send it again"));
    expect(platform.requests("retry_refused").at(-1)).toEqual({ id: "attempt 4" });
    expect(titles(target, "Not accepted")).toEqual([]);
    expect(titles(target, "Waiting")).toEqual(["Erosion: test, attempt 4"]);
  });
});

describe("'Sync now'", () => {
  it("is disabled during a sync", async () => {
    const { target } = await open({ waiting: 2 });
    let finish: (status: SyncStatus) => void = () => undefined;
    platform.replies["sync_now"] = () => new Promise<SyncStatus>((resolve) => (finish = resolve));
    await click(byRole(target, "button", "Sync now"));
    expect(byRole<HTMLButtonElement>(target, "button", "Syncing").disabled).toBe(true);
    finish(idle);
    await rendered();
    expect(byRole<HTMLButtonElement>(target, "button", "Sync now").disabled).toBe(false);
    expect(announcer.announcement.text).toBe("Sync is finished");
  });

  it.each([
    ["unavailable", "The server cannot handle this request now. Try again in a moment."],
    ["offline", "The server cannot be reached. Content on this device is still available."],
    ["unauthenticated", "Your session ended. Everything you did is kept on this device."],
  ] as const)("that fails with '%s' shows the error, and is enabled again", async (code, hint) => {
    const { target, message } = await open({ waiting: 2 });
    platform.replies["sync_now"] = () => fail(code);
    await click(byRole(target, "button", "Sync now"));
    expect(message()).toContain(hint);
    expect(byRole<HTMLButtonElement>(target, "button", "Sync now").disabled).toBe(false);
  });
});

describe("the list of receipts", () => {
  it("that cannot be loaded shows the error, and 'Try again' loads it", async () => {
    platform.replies["list_receipts"] = () => fail("storage");
    const { target } = await open({});
    expect(text(byRole(target, "alert"))).toContain("The database of this device cannot be read");
    platform.replies["list_receipts"] = () => ({ waiting: [], refused: [], accepted });
    await click(byRole(target, "button", "Try again"));
    expect(allByRole(target, "alert")).toEqual([]);
    expect(titles(target, "Accepted")).toContain("The Goat on the Bus");
  });

  it("is loaded again after a change of topic 'receipts', but not of topic 'words'", async () => {
    const { target } = await open({ waiting: 3 }, { waiting });
    platform.replies["list_receipts"] = () => ({ waiting: waiting.slice(1), refused, accepted: [] });
    platform.emit({ kind: "changed", topics: [{ topic: "words" }] });
    await rendered();
    expect(titles(target, "Waiting")).toHaveLength(3);
    platform.emit({ kind: "changed", topics: [{ topic: "receipts" }] });
    await rendered();
    expect(titles(target, "Waiting")).toEqual(["Check yourself", "Why rivers wander"]);
    expect(titles(target, "Not accepted")).toEqual(["Erosion: test, attempt 4"]);
  });
});

describe("a server that cannot be reached", () => {
  it.each([
    ["certificate_untrusted", "not signed by an authority"],
    ["certificate_expired", "date and time"],
    ["certificate_wrong_host", "another server"],
    ["proxy_unreachable", "proxy settings"],
    ["proxy_refused", "does not allow"],
    ["tls_version", "TLS"],
    ["not_tls", "https"],
  ])("because of %s: the screen says what to do", async (network, expected) => {
    const { target } = await open({ phase: "offline", network });
    expect(text(byRole(target, "status"))).toContain(expected);
    expect(allByRole(target, "button", "Enter name and password")).toEqual([]);
  });

  it.each([null, "dns", "no_route", "timeout", "unknown_in_this_release"])(
    "because of %s: is offline",
    async (network) => {
      const { target } = await open({ phase: "offline", network });
      expect(text(byRole(target, "status"))).toBe("Offline Nothing is waiting. You can continue working.");
    },
  );

  it("because the proxy asks for a password: the learner enters it, and the app syncs", async () => {
    const { target } = await open({ phase: "offline", network: "proxy_authentication" });
    await click(byRole(target, "button", "Enter name and password"));
    const dialog = byRole(target, "dialog", "Sign in to the proxy");
    await click(byRole(dialog, "button", "Save and connect"));
    expect(text(byRole(dialog, "alert"))).toContain("required");
    expect(platform.requests("set_proxy_login")).toEqual([]);
    type(byRole(dialog, "textbox", "User name"), " asha ");
    type(dialog.querySelector<HTMLInputElement>("input[type=password]")!, "p@ss word");
    platform.replies["set_proxy_login"] = () => ({});
    await click(byRole(dialog, "button", "Save and connect"));
    expect(platform.requests("set_proxy_login")).toEqual([{ login: "asha", password: "p@ss word" }]);
    expect(platform.requests("sync_now")).toHaveLength(1);
    expect(allByRole(target, "dialog")).toEqual([]);
  });

  it("that refuses to store the password shows the error in the dialog", async () => {
    const { target } = await open({ phase: "offline", network: "proxy_authentication" });
    await click(byRole(target, "button", "Enter name and password"));
    const dialog = byRole(target, "dialog", "Sign in to the proxy");
    type(byRole(dialog, "textbox", "User name"), "asha");
    platform.replies["set_proxy_login"] = () => fail("keychain");
    await click(byRole(dialog, "button", "Save and connect"));
    expect(text(byRole(dialog, "alert"))).not.toBe("");
    expect(platform.requests("sync_now")).toEqual([]);
  });
});
