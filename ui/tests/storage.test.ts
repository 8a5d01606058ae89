import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import Announcements from "../src/app/Announcements.svelte";
import type { StorageView } from "../src/api/types";
import Storage from "../src/features/storage/Storage.svelte";
import { amina, idle, stateOf } from "../src/platform/fixture/accounts";
import { storageView } from "../src/platform/fixture/storage";
import { announcer } from "../src/state/announce.svelte";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { allByRole, byRole, change, click, rendered, fail, scriptPlatform, show, text, type } from "./support";

const platform = scriptPlatform();
let close: (() => void)[] = [];

/** The reply to `get_storage`. */
let stored: StorageView;
async function open() {
  const screen = show(Storage, {});
  const messages = show(Announcements, {});
  close = [screen.close, messages.close];
  await rendered();
  return { target: screen.target, message: () => text(byRole(messages.target, "status")) };
}
/** `stored` without one course: the reply of the core after its removal. */
const without = (id: string): StorageView => ({ ...stored, courses: stored.courses.filter((c) => c.id !== id) });
const titles = (target: Element): string[] =>
  allByRole(byRole(target, "region", "On this device"), "link").map((link) => text(link));
const figure = (target: Element, term: string): string => {
  const found = allByRole(target, "term").find((e) => text(e) === term);
  return found ? text(found.nextElementSibling!) : "not shown";
};

beforeAll(async () => {
  await appState.load();
  await appState.replace(stateOf(amina, idle, [amina]));
});
beforeEach(() => {
  stored = storageView(false, null);
  platform.replies = { get_storage: () => stored };
  platform.calls = [];
  clearKeptReplies();
  announcer.clear();
});
afterEach(() => close.forEach((c) => c()));

describe("storage figures", () => {
  it("are shown as the core reports them, with the limit", async () => {
    const { target } = await open();
    expect(figure(target, "Shared folder of this device")).toBe("not shown");
    expect(text(byRole(target, "region", "Content on this device"))).toContain("1.3 GB of 2.1 GB allowed for content");
    expect(
      [
        "Your downloads",
        "Downloads of other users",
        "Recently opened",
        "Unfinished downloads",
        "Your work",
        "Free disk space",
      ].map((term) => figure(target, term)),
    ).toEqual(["625 MB", "340 MB", "212 MB", "81 MB", "8.6 MB", "41 GB"]);
    expect(titles(target)).toEqual([
      "How Rivers Work",
      "Waves and Sound",
      "القطة التي لم تسأل",
      "The Living Soil: layers",
    ]);
    expect(text(byRole(target, "region", "On this device"))).toContain("81 MB of 244 MB");
    expect(allByRole(target, "img", "Text 40 kB, Pictures 5.2 MB, and Audio 4.2 MB")).toHaveLength(1);
  });

  it("name the shared folder that this user only reads", async () => {
    stored = { ...stored, shared: { folder: "/srv/carrel", bytes: 3_000_000_000 } };
    const { target } = await open();
    expect(figure(target, "Shared folder of this device")).toBe("3 GB");
    const region = text(byRole(target, "region", "Content on this device"));
    expect(region).toContain("/srv/carrel");
    expect(region).toContain("1.3 GB of 2.1 GB allowed for content");
  });

  it("show the kinds of a course and their legend in the same colours", async () => {
    const { target } = await open();
    const kinds = (selector: string): string[] =>
      [...target.querySelectorAll<HTMLElement>(selector)].map((e) => e.dataset["kind"] ?? "");
    expect(kinds(".legend i")).toEqual(["text", "pictures", "audio", "video", "other"]);
    for (const kind of kinds("li .bar i")) expect(kinds(".legend i")).toContain(kind);
  });

  it("omit empty categories, and a message is shown if nothing is downloaded", async () => {
    stored = storageView(true, null);
    const { target } = await open();
    expect(figure(target, "Downloads of other users")).toBe("not shown");
    expect(figure(target, "Your work")).toBe("8.6 MB");
    expect(text(byRole(target, "region", "On this device"))).toContain("Nothing is downloaded.");
    expect(allByRole(target, "button", "Clear recently opened content, 0 kB")).toEqual([]);
  });

  it.each([
    ["disk", "163 MB more is needed. Downloads are paused; your work is still saved."],
    ["budget", "163 MB more is needed. Raise the limit below"],
    ["index", "Downloaded content can be read and your work is saved."],
  ] as const)("are preceded by a notice if the limit '%s' stops downloads", async (limit, notice) => {
    stored = storageView(false, limit);
    const { target } = await open();
    expect(text(byRole(target, "status"))).toContain(notice);
  });

  it("are replaced by an error if they cannot be read; 'Try again' reads them again", async () => {
    platform.replies["get_storage"] = () => fail("storage");
    const { target } = await open();
    expect(text(byRole(target, "alert"))).toContain("The database of this device cannot be read");
    platform.replies["get_storage"] = () => stored;
    await click(byRole(target, "button", "Try again"));
    expect(figure(target, "Your downloads")).toBe("625 MB");
  });

  it.each(["storage", "downloads"] as const)(
    "are read again after a change of topic '%s', but not of topic 'words'",
    async (topic) => {
      const { target } = await open();
      stored = { ...without("how-rivers-work"), downloads: 12_600_000 };
      platform.emit({ kind: "changed", topics: [{ topic: "words" }] });
      await rendered();
      expect(titles(target)).toContain("How Rivers Work");
      platform.emit({ kind: "changed", topics: [{ topic }] });
      await rendered();
      expect(titles(target)).not.toContain("How Rivers Work");
      expect(figure(target, "Your downloads")).toBe("13 MB");
    },
  );
});

describe("removing a download", () => {
  it("asks for confirmation, showing the space that is freed and the space that is kept", async () => {
    platform.replies["check_removal"] = () => ({ freed: 598_000_000, shared: 14_000_000 });
    const { target, message } = await open();
    await click(byRole(target, "button", "Remove How Rivers Work"));
    const dialog = byRole(target, "dialog", "Remove How Rivers Work");
    expect(text(dialog)).toContain("This frees 598 MB. 14 MB is kept because other downloads need it.");
    expect(platform.requests("check_removal")).toEqual([{ id: "how-rivers-work", isStory: false }]);
    expect(platform.requests("remove_download")).toEqual([]);

    stored = without("how-rivers-work");
    await click(byRole(dialog, "button", "Remove"));
    expect(platform.requests("remove_download")).toEqual([{ id: "how-rivers-work", isStory: false }]);
    expect(titles(target)).not.toContain("How Rivers Work");
    expect(allByRole(target, "dialog")).toEqual([]);
    expect(announcer.announcement.text).toBe("How Rivers Work was removed");
    expect(message()).toBe("");
  });

  it("does not mention kept space if there is none", async () => {
    platform.replies["check_removal"] = () => ({ freed: 9_400_000, shared: 0 });
    const { target } = await open();
    await click(byRole(target, "button", "Remove How Rivers Work"));
    const message = text(byRole(target, "dialog"));
    expect(message).toContain("This frees 9.4 MB.");
    expect(message).not.toContain("other downloads");
  });

  it("removes a single lesson by its id within the course", async () => {
    const { target } = await open();
    await click(byRole(target, "button", "Remove The Living Soil: layers"));
    expect(platform.requests("check_removal")).toEqual([{ id: "soil", isStory: false, lesson: "soil/layers" }]);
    await click(byRole(byRole(target, "dialog"), "button", "Remove"));
    expect(platform.requests("remove_download")).toEqual([{ id: "soil", isStory: false, lesson: "layers" }]);
  });

  it.each(["Cancel", "Close"])("removes nothing after '%s'", async (name) => {
    const { target } = await open();
    await click(byRole(target, "button", "Remove How Rivers Work"));
    await click(byRole(byRole(target, "dialog"), "button", name));
    expect(allByRole(target, "dialog")).toEqual([]);
    expect(platform.requests("remove_download")).toEqual([]);
    expect(titles(target)).toContain("How Rivers Work");
    // The dialog can be opened again.
    await click(byRole(target, "button", "Remove How Rivers Work"));
    expect(allByRole(target, "dialog", "Remove How Rivers Work")).toHaveLength(1);
  });

  it("shows the error if the space to free cannot be determined, and asks for no confirmation", async () => {
    platform.replies["check_removal"] = () => fail("unavailable");
    const { target, message } = await open();
    await click(byRole(target, "button", "Remove How Rivers Work"));
    expect(message()).toContain("Try again in a moment.");
    expect(allByRole(target, "dialog")).toEqual([]);
  });

  it("shows the error if the removal fails, and keeps the download in the list", async () => {
    platform.replies["remove_download"] = () => fail("storage");
    const { target, message } = await open();
    await click(byRole(target, "button", "Remove How Rivers Work"));
    await click(byRole(byRole(target, "dialog"), "button", "Remove"));
    expect(message()).toContain("The database of this device cannot be read");
    expect(byRole<HTMLButtonElement>(target, "button", "Remove How Rivers Work").disabled).toBe(false);
    expect(announcer.announcement.text).not.toBe("How Rivers Work was removed");
  });
});

describe("clearing recently opened content", () => {
  const CLEAR = "Clear recently opened content, 212 MB";
  it("asks for confirmation, then shows the space freed", async () => {
    const { target, message } = await open();
    await click(byRole(target, "button", CLEAR));
    await click(byRole(byRole(target, "dialog", CLEAR), "button", "Cancel"));
    expect(platform.requests("clear_cache")).toEqual([]);
    await click(byRole(target, "button", CLEAR));
    platform.replies["clear_cache"] = () => ({ freed: 200_000_000 });
    stored = { ...stored, cache: 0, unfinished: 0 };
    await click(byRole(byRole(target, "dialog", CLEAR), "button", "Clear"));
    expect(platform.requests("clear_cache")).toHaveLength(1);
    expect(allByRole(target, "dialog")).toEqual([]);
    expect(message()).toContain("200 MB freed");
    expect(figure(target, "Recently opened")).toBe("not shown");
  });
});

describe("the limit for content", () => {
  const select = (target: Element) => byRole<HTMLSelectElement>(target, "combobox", "Space for content");
  it("is saved and shown", async () => {
    platform.replies["set_budget"] = () => ({ ...stored, budgetChosen: 5_000_000_000, budget: 4_130_000_000 });
    const { target } = await open();
    await change(select(target), "5000000000");
    expect(platform.requests("set_budget")).toEqual([{ budget: 5_000_000_000 }]);
    expect(select(target).value).toBe("5000000000");
    expect(text(byRole(target, "region", "Space for content"))).toContain("Currently 4.1 GB");
  });

  it("is reset to the saved value if it cannot be saved, and the error is shown", async () => {
    platform.replies["set_budget"] = () => fail("storage");
    stored = { ...stored, budgetChosen: 2_000_000_000 };
    const { target, message } = await open();
    await change(select(target), "5000000000");
    expect(message()).toContain("The database of this device cannot be read");
    expect(select(target).value).toBe("2000000000");
  });

  it("cannot be set above the maximum of the organisation", async () => {
    stored = { ...stored, budgetPolicy: 2_000_000_000 };
    const { target } = await open();
    expect(allByRole(select(target), "option").map((o) => text(o))).toEqual(["Automatic", "500 MB", "1 GB", "2 GB"]);
  });
});

describe("moving the content to another folder", () => {
  it("keeps the dialog and the typed folder if it fails, and shows the new folder if it succeeds", async () => {
    const { target, message } = await open();
    await click(byRole(target, "button", "Move content to another folder"));
    const dialog = byRole(target, "dialog", "Move content to another folder");
    const field = byRole<HTMLInputElement>(dialog, "textbox", "Folder");
    expect(byRole<HTMLButtonElement>(dialog, "button", "Move").disabled).toBe(true);
    type(field, "/mnt/big");
    platform.replies["move_content"] = () => fail("disk_full");
    await click(byRole(dialog, "button", "Move"));
    expect(message()).toContain("Free some space");
    expect(field.value).toBe("/mnt/big");
    platform.replies["move_content"] = () => ({ ...stored, folder: "/mnt/big/carrel" });
    await click(byRole(dialog, "button", "Move"));
    expect(platform.requests("move_content").at(-1)).toEqual({ folder: "/mnt/big" });
    expect(allByRole(target, "dialog")).toEqual([]);
    expect(text(byRole(target, "region", "Space for content"))).toContain("/mnt/big/carrel");
  });
});
