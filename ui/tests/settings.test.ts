import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import Announcements from "../src/app/Announcements.svelte";
import type { Settings as Stored } from "../src/api/types";
import Settings from "../src/features/settings/Settings.svelte";
import { amina, demo, idle, settings, stateOf, yusuf } from "../src/platform/fixture/accounts";
import { announcer } from "../src/state/announce.svelte";
import { appState } from "../src/state/appState.svelte";
import { allByRole, byRole, change, click, rendered, fail, scriptPlatform, show, text, type } from "./support";

const platform = scriptPlatform();
const page = document.documentElement;
let close: (() => void)[] = [];

async function open() {
  const screen = show(Settings, {});
  const messages = show(Announcements, {});
  close = [screen.close, messages.close];
  await rendered();
  return { target: screen.target, message: () => text(byRole(messages.target, "status")) };
}
const radio = (target: Element, name: string) => byRole<HTMLInputElement>(target, "radio", name);
const slider = (target: Element, name: string) => byRole<HTMLInputElement>(target, "slider", name);
const language = (target: Element) => byRole<HTMLSelectElement>(target, "combobox", "Language");
/** Waits for a heading, because catalogues are loaded by a real dynamic import. */
const titled = (target: Element, title: string): Promise<void> =>
  vi.waitFor(() => expect(text(byRole(target, "heading", title))).toBe(title), { interval: 5, timeout: 5000 });

beforeAll(() => appState.load());
beforeEach(async () => {
  let stored: Stored = settings;
  platform.replies = {
    set_settings: () => (stored = { ...stored, ...(platform.requests("set_settings").at(-1) as Partial<Stored>) }),
  };
  platform.calls = [];
  announcer.clear();
  await appState.replace(stateOf(amina, idle, [amina, yusuf, demo]));
});
afterEach(() => close.forEach((c) => c()));

describe("a setting that is changed", () => {
  it("is stored and shown: the theme", async () => {
    const { target } = await open();
    expect(radio(target, "Match system").checked).toBe(true);
    await click(radio(target, "Night"));
    expect(platform.requests("set_settings")).toEqual([{ theme: "night" }]);
    expect(radio(target, "Night").checked).toBe(true);
    expect(page.dataset["theme"]).toBe("night");
  });

  it("is stored and shown: the language", async () => {
    const { target } = await open();
    await change(language(target), "fr");
    await titled(target, "Réglages");
    await rendered();
    expect(platform.requests("set_settings")).toEqual([{ language: "fr" }]);
    expect(byRole<HTMLSelectElement>(target, "combobox", "Langue").value).toBe("fr");
    expect(page.lang).toBe("fr");
  });

  it("is stored and shown: the text size, once the slider is released", async () => {
    const { target } = await open();
    const size = slider(target, "Text size");
    type(size, "150");
    await rendered();
    expect(platform.requests("set_settings")).toEqual([]);
    expect(size.getAttribute("aria-valuetext")).toBe("150%");
    const sizeOfPage = page.style.getPropertyValue("--reading-size");
    await change(size, "150");
    expect(platform.requests("set_settings")).toEqual([{ textSize: 150 }]);
    expect([size.value, size.getAttribute("aria-valuetext")]).toEqual(["150", "150%"]);
    expect(page.style.getPropertyValue("--reading-size")).toBe(sizeOfPage);
  });

  it("is shown before the core has stored it", async () => {
    const { target } = await open();
    let write: (stored: Stored) => void = () => undefined;
    platform.replies["set_settings"] = () => new Promise<Stored>((resolve) => (write = resolve));
    await click(radio(target, "Sepia"));
    expect(page.dataset["theme"]).toBe("sepia");
    // The core returns the value that it stored.
    write({ ...settings, theme: "paper" });
    await rendered();
    expect([radio(target, "Paper").checked, page.dataset["theme"]]).toEqual([true, "paper"]);
  });
});

describe.each([
  ["storage", "The database of this device cannot be read"],
  ["disk_full", "Free some space"],
] as const)("a setting that cannot be stored ('%s') is reset to its stored value, with an error", (code, words) => {
  const openFailing = async () => {
    platform.replies["set_settings"] = () => fail(code);
    return open();
  };
  it("for the theme", async () => {
    const { target, message } = await openFailing();
    const before = page.dataset["theme"];
    await click(radio(target, "Night"));
    expect(message()).toContain(words);
    expect([radio(target, "Night").checked, radio(target, "Match system").checked]).toEqual([false, true]);
    expect(page.dataset["theme"]).toBe(before);
  });
  it("for the language", async () => {
    const { target, message } = await openFailing();
    await change(language(target), "fr");
    await vi.waitFor(() => expect(message()).toContain(words), { interval: 5, timeout: 5000 });
    await rendered();
    expect(text(byRole(target, "heading", "Settings"))).toBe("Settings");
    expect(language(target).value).toBe("");
    expect(page.lang).toBe("en");
  });
  it("for the text size", async () => {
    const { target, message } = await openFailing();
    const before = page.style.getPropertyValue("--reading-size");
    const size = slider(target, "Text size");
    await change(size, "180");
    expect(message()).toContain(words);
    expect([size.value, size.getAttribute("aria-valuetext")]).toEqual(["100", "100%"]);
    expect(page.style.getPropertyValue("--reading-size")).toBe(before);
  });
  it("for the narration speed", async () => {
    const { target, message } = await openFailing();
    const speed = allByRole<HTMLInputElement>(target, "slider").find((e) => e.id === "speed")!;
    await change(speed, "150");
    expect(message()).toContain(words);
    expect([speed.value, speed.getAttribute("aria-valuetext")]).toEqual(["100", "100%"]);
  });
  it("for a checkbox", async () => {
    const { target, message } = await openFailing();
    const charging = byRole<HTMLInputElement>(target, "checkbox", "Only while charging");
    await click(charging);
    expect(message()).toContain(words);
    expect(charging.checked).toBe(false);
  });
});

describe("the list of accounts", () => {
  it("names the account in each button that switches to it", async () => {
    const { target } = await open();
    const names = allByRole(target, "button").map((button) => text(button));
    expect(names.filter((name) => name.startsWith("Switch to "))).toEqual([
      `Switch to ${yusuf.user.name}`,
      `Switch to ${demo.serverName}`,
    ]);
  });
});

describe("the dialog for a new address of the server", () => {
  const TITLE = "Change the server's address";
  const openDialog = async () => {
    const { target, message } = await open();
    await click(byRole(target, "button", TITLE));
    const dialog = byRole(target, "dialog", TITLE);
    return {
      target,
      message,
      dialog,
      field: byRole<HTMLInputElement>(dialog, "textbox", "New address"),
      submit: () => click(byRole(dialog, "button", TITLE)),
    };
  };
  it("shows the current address and requires a new one", async () => {
    const { dialog, field, submit } = await openDialog();
    expect(text(dialog)).toContain("Current address: https://school.example");
    for (const blank of ["", "   "]) {
      type(field, blank);
      await submit();
      expect(document.activeElement).toBe(field);
    }
    expect(platform.requests("move_server")).toEqual([]);
  });

  it.each([
    ["invalid_request", "This is another server, it could not prove that it is the same one"],
    ["offline", "The server cannot be reached."],
    ["bad_reply", "The response did not come from a Carrel server."],
  ] as const)("shows the error of an address ('%s') and keeps the input", async (code, words) => {
    platform.replies["move_server"] = () => fail(code);
    const { dialog, field, submit } = await openDialog();
    type(field, "elsewhere.example");
    await submit();
    expect(text(byRole(dialog, "alert"))).toContain(words);
    expect([field.value, field.getAttribute("aria-invalid")]).toEqual(["elsewhere.example", "true"]);
    expect(document.activeElement).toBe(field);
    expect(appState.app.account?.server).toBe("https://school.example");
  });

  it("sends the trimmed address, closes and announces the change", async () => {
    const moved = { ...amina, server: "https://new.example" };
    platform.replies["move_server"] = () => stateOf(moved, idle, [moved, yusuf, demo]);
    const { target, message, field, submit } = await openDialog();
    type(field, "  new.example ");
    await submit();
    expect(platform.requests("move_server")).toEqual([{ address: "new.example" }]);
    expect(allByRole(target, "dialog")).toEqual([]);
    expect(message()).toContain("The address was changed.");
    await click(byRole(target, "button", TITLE));
    expect(text(byRole(target, "dialog", TITLE))).toContain("Current address: https://new.example");
  });

  it("changes nothing after 'Cancel'", async () => {
    const { target, dialog, field } = await openDialog();
    type(field, "new.example");
    await click(byRole(dialog, "button", "Cancel"));
    expect(allByRole(target, "dialog")).toEqual([]);
    expect(platform.requests("move_server")).toEqual([]);
  });
});
