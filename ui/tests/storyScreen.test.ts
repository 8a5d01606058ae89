import { flushSync } from "svelte";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Dir, StoryCard } from "../src/api/types";
import { closesSheet, sheetDrag } from "../src/components/content/sheetDrag";
import { nextStory } from "../src/features/story/nextStory";
import Sentence from "../src/features/story/Sentence.svelte";
import Story from "../src/features/story/Story.svelte";
import { setLanguage } from "../src/i18n/index.svelte";
import { stories } from "../src/platform/fixture/catalogue";
import { appState } from "../src/state/appState.svelte";
import { byRole, click, press, rendered, scriptPlatform, show, text, type ScriptedPlatform } from "./support";

const LTR = "the-lamp-by-the-sea";
const RTL = "al-qitta-allati-lam-tasal";

let platform: ScriptedPlatform;
let close: (() => void) | undefined;
beforeAll(async () => {
  platform = scriptPlatform();
  await appState.load();
  await setLanguage("en");
});
beforeEach(() => {
  window.scrollTo = () => undefined;
  platform.replies = {};
  platform.calls.length = 0;
});
afterEach(() => {
  close?.();
  close = undefined;
  document.dir = "ltr";
});

async function open(item: string): Promise<HTMLElement> {
  const shown = show(Story as never, { route: { name: "story", item } } as never);
  close = shown.close;
  await rendered();
  return shown.target;
}
const pageOf = (target: HTMLElement): string => text(target.querySelector("footer .position")!);
/** Searching by role takes long on a whole screen. */
const labelled = (target: HTMLElement, label: string): HTMLElement => target.querySelector(`[aria-label="${label}"]`)!;
function lastPage(target: HTMLElement): void {
  target.querySelector<HTMLElement>("footer .pages button:last-child")!.click();
  flushSync();
}
function pointer(target: Element, type: string, x: number, y = 0): void {
  target.dispatchEvent(
    new PointerEvent(type, { pointerId: 1, pointerType: "touch", clientX: x, clientY: y, button: 0, bubbles: true }),
  );
  flushSync();
}

describe("pages follow each other in the direction of the story", () => {
  // In each direction of the user interface: the key and the swipe that turn to the next page.
  const table: [Dir, string, "ArrowLeft" | "ArrowRight", number][] = [
    ["ltr", LTR, "ArrowRight", -120],
    ["ltr", RTL, "ArrowLeft", 120],
    ["rtl", LTR, "ArrowRight", -120],
    ["rtl", RTL, "ArrowLeft", 120],
  ];
  it.each(table)("user interface %s, story %s: %s is forward", async (ui, item, key, swipe) => {
    document.dir = ui;
    const target = await open(item);
    const back = key === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
    expect(pageOf(target)).toContain("Page 1 ");
    press(target.querySelector("h1")!, key);
    expect(pageOf(target)).toContain("Page 2 ");
    press(target.querySelector("h1")!, back);
    expect(pageOf(target)).toContain("Page 1 ");
    const area = target.querySelector(".open")!;
    pointer(area, "pointerdown", 200);
    pointer(area, "pointerup", 200 + swipe);
    expect(pageOf(target)).toContain("Page 2 ");
    const again = target.querySelector(".open")!;
    pointer(again, "pointerdown", 200);
    pointer(again, "pointerup", 200 - swipe);
    expect(pageOf(target)).toContain("Page 1 ");
  });
  it.each(table)("user interface %s, story %s: the buttons and page marks too", async (ui, item, key) => {
    document.dir = ui;
    const target = await open(item);
    const dir = key === "ArrowLeft" ? "rtl" : "ltr";
    expect(labelled(target, "Next page").closest<HTMLElement>("[dir]")!.dir).toBe(dir);
    expect(labelled(target, "Previous page").closest<HTMLElement>("[dir]")!.dir).toBe(dir);
    expect(target.querySelector<HTMLElement>("footer .pages")!.dir).toBe(dir);
    // The controls that have no order stay with the user interface.
    expect(labelled(target, "Listening options").closest("footer [dir]")).toBeNull();
  });
});

describe("the options of listening", () => {
  afterEach(() => localStorage.removeItem("carrel.listening"));
  it("are chosen in a sheet, named by their button, and kept", async () => {
    let target = await open(LTR);
    const button = (): HTMLElement => target.querySelector("footer .options")!;
    const name = (): string | null => button().getAttribute("aria-label");
    expect([name(), button().getAttribute("aria-haspopup")]).toEqual(["Listening options", "dialog"]);
    await click(button());
    const sheet = byRole(target, "dialog", "Listening options");
    await click(byRole(sheet, "checkbox", "Stop after each sentence"));
    expect(name()).toBe("Listening options: Stop after each sentence");
    await click(byRole(sheet, "radio", "Repeat the page"));
    const turns = byRole<HTMLInputElement>(sheet, "checkbox", "Turn the pages automatically");
    expect([turns.checked, turns.disabled]).toEqual([true, true]);
    expect(text(sheet)).toContain("While a sentence or a page is repeated, the pages do not turn.");
    await click(byRole(sheet, "radio", "Off"));
    await click(turns);
    await click(byRole(sheet, "button", "Close"));
    expect(target.querySelector("dialog")).toBeNull();
    close?.();
    target = await open(LTR);
    expect(name()).toBe("Listening options: Stop after each sentence and Pages do not turn automatically");
    await click(button());
    const again = byRole(target, "dialog", "Listening options");
    expect(byRole<HTMLInputElement>(again, "checkbox", "Stop after each sentence").checked).toBe(true);
    expect(byRole<HTMLInputElement>(again, "checkbox", "Turn the pages automatically").checked).toBe(false);
  });
  it("a page turned by hand is narrated only if the page before was", async () => {
    const target = await open(LTR);
    const audio = target.querySelector("audio")!;
    const play = vi.spyOn(audio, "play").mockImplementation(() => Promise.resolve());
    vi.spyOn(audio, "pause").mockImplementation(() => undefined);
    press(target.querySelector("h1")!, "ArrowRight");
    await click(labelled(target, "Next page"));
    expect([pageOf(target).slice(0, 6), play.mock.calls.length]).toEqual(["Page 3", 0]);
    press(target.querySelector("h1")!, " ");
    await rendered();
    expect([play.mock.calls.length, labelled(target, "Pause") !== null]).toEqual([1, true]);
    press(target.querySelector("h1")!, "ArrowRight");
    await rendered();
    expect([pageOf(target).slice(0, 6), play.mock.calls.length]).toEqual(["Page 4", 2]);
  });
});

describe("the sheet of a word", () => {
  it("closes after a third of its height or a flick, and moves back otherwise", () => {
    const table: [number, number, boolean][] = [
      [200, 1000, true],
      [100, 1000, false],
      [60, 80, true],
      [20, 5, false],
      [0, 1000, false],
    ];
    for (const [distance, ms, closes] of table) expect(closesSheet(distance, 400, ms), `${distance}`).toBe(closes);
  });
  it("follows the handle, and only downwards", () => {
    const sheet = document.createElement("div");
    const handle = document.createElement("div");
    sheet.append(handle);
    document.body.append(sheet);
    sheet.getBoundingClientRect = () => ({ height: 400 }) as DOMRect;
    let closed = 0;
    const stop = sheetDrag(() => closed++)(handle);
    pointer(handle, "pointerdown", 0, 300);
    pointer(handle, "pointermove", 0, 350);
    expect(sheet.style.translate).toBe("0 50px");
    pointer(handle, "pointermove", 0, 250);
    expect(sheet.style.translate).toBe("0 0px");
    pointer(handle, "pointercancel", 0, 450);
    expect([closed, sheet.style.translate, "dragging" in sheet.dataset]).toEqual([0, "", false]);
    pointer(handle, "pointerdown", 0, 300);
    pointer(handle, "pointerup", 0, 450);
    expect(closed).toBe(1);
    stop();
  });
  it("closes by its handle", async () => {
    const target = await open(LTR);
    await click(target.querySelector<HTMLElement>("button.word")!);
    const card = document.querySelector<HTMLElement>("[popover]")!;
    card.getBoundingClientRect = () => ({ height: 300 }) as DOMRect;
    const handle = card.querySelector(".handle")!;
    pointer(handle, "pointerdown", 0, 300);
    pointer(handle, "pointerup", 0, 420);
    await rendered();
    expect(document.querySelector("[popover]")).toBeNull();
  });
});

describe("the button before a sentence", () => {
  it("names the sentence, shortened", async () => {
    const sentence = { text: "Long ".repeat(40), paragraph: true, words: [], startMs: 0 };
    const target = await open(LTR);
    expect(labelled(target, "Listen: She counts them aloud.")).not.toBeNull();
    close?.();
    close = show(
      Sentence as never,
      { sentence, now: false, canListen: true, onlisten: () => undefined, onword: () => undefined } as never,
    ).close;
    const name = document.querySelector("button.listen")!.getAttribute("aria-label")!;
    expect(name).toMatch(/^Listen: Long (?:Long )+Long…$/);
    expect([...name].length).toBeLessThanOrEqual("Listen: ".length + 81);
  });
});

describe("the next story", () => {
  const card = (id: string, level: number, more: Partial<StoryCard> = {}, lang = "en"): StoryCard => ({
    ...stories[0]!,
    percent: 0,
    done: false,
    download: { ...stories[0]!.download, phase: "absent", readable: false },
    ...more,
    story: { ...stories[0]!.story, id, level, lang },
  });
  const here = { id: "b", lang: "en", level: 2 };
  it("is the next unfinished one of the level, then of the next level", () => {
    const cards = [card("a", 2), card("b", 2), card("c", 2, { done: true }), card("d", 2, {}, "fr"), card("e", 3)];
    const id = (list: StoryCard[], onDevice = false) => nextStory(list, here, onDevice)?.story.id;
    expect(id([...cards, card("f", 2)])).toBe("f");
    // After the end of the list, its beginning.
    expect(id(cards)).toBe("a");
    expect(id(cards.slice(1))).toBe("e");
    expect(id([card("b", 2), card("x", 1), card("y", 4)])).toBeUndefined();
    expect(id([card("x", 2)])).toBe("x");
  });
  it("is on this device while the server cannot be reached", () => {
    const local = card("c", 3, { download: { ...stories[0]!.download, phase: "ready" } });
    expect(nextStory([card("a", 2), card("b", 2), local], here, true)?.story.id).toBe("c");
    expect(nextStory([card("a", 2), card("b", 2)], here, true)).toBeUndefined();
  });
  /** Requests of lists, apart from that of the catalogue's entry of the story. */
  const lists = () => platform.requests("list_stories").filter((r) => !(r as { ids?: string[] }).ids);
  it("is offered first at the end, and asked for only there", async () => {
    const target = await open(LTR);
    lastPage(target);
    await rendered();
    expect(lists()).toEqual([]);
    press(target.querySelector("h1")!, "ArrowRight");
    await rendered();
    expect(lists()[0]).toEqual({ lang: "en", onDevice: false, pageSize: 200 });
    const link = [...target.querySelectorAll("a")].find((a) => text(a).startsWith("Next: "))!;
    expect(link.getAttribute("href")).toBe("#/story/the-day-the-school-sailed");
    expect(link.parentElement!.firstElementChild).toBe(link);
  });
  it("is not offered at the end of a story of a course", async () => {
    const target = await open(`how-rivers-work/${LTR}`);
    lastPage(target);
    press(target.querySelector("h1")!, "ArrowRight");
    await rendered();
    expect(text(target)).toContain("You have finished this story.");
    expect(platform.requests("list_stories")).toEqual([]);
  });
});
