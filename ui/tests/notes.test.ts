import { readFileSync } from "node:fs";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { NoteView, SectionBody } from "../src/api/types";
import { clean } from "../src/components/content/sanitise";
import LessonNotes from "../src/components/notes/LessonNotes.svelte";
import { addMarker, clear, paint } from "../src/components/notes/marks";
import { currentPassage, passagesOf } from "../src/components/notes/selection";
import { TextMap } from "../src/components/notes/text";
import { setLanguage } from "../src/i18n/index.svelte";
import { announcer } from "../src/state/announce.svelte";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { press, rendered, scriptPlatform, settle, show, type ScriptedPlatform } from "./support";

interface Case {
  html: string;
  text: string;
}
const cases = JSON.parse(readFileSync("../crates/learning/tests/learning/note_texts.json", "utf8")) as Case[];

function element(html: string): HTMLElement {
  const root = document.createElement("div");
  root.innerHTML = html;
  return root;
}

describe("the text of a block", () => {
  it.each(cases)("is that of the core: $html", ({ html, text }) => {
    expect(new TextMap(element(html)).text).toBe(text);
    const sanitised = document.createElement("div");
    sanitised.append(clean(html, "rivers", "n"));
    expect(new TextMap(sanitised).text).toBe(text);
  });
  it("has a place in the page for each passage", () => {
    for (const { html, text } of cases) {
      const root = element(html);
      const map = new TextMap(root);
      const characters = [...text];
      expect(map.length).toBe(characters.length);
      for (let start = 0; start < characters.length; start++) {
        for (const end of [start + 1, start + 4, characters.length]) {
          if (end > characters.length || characters[start] === " " || characters[end - 1] === " ") continue;
          const range = map.range({ start, end });
          const offsets = map.offsets(range!)!;
          // Characters that were composed of several are in one cluster.
          expect(offsets.start, html).toBeLessThanOrEqual(start);
          expect(offsets.end, html).toBeGreaterThanOrEqual(end);
          if (html.normalize("NFC") === html && !html.includes("#x301"))
            expect(offsets, `${html} ${start} ${end}`).toEqual({ start, end });
        }
      }
      expect(map.range({ start: 0, end: characters.length + 1 })).toBeUndefined();
    }
  });
  it("keeps a decomposed letter whole", () => {
    const root = element("<p>l'e\u0301cole</p>");
    const map = new TextMap(root);
    expect(map.text).toBe("l'\u00e9cole");
    expect(map.range({ start: 2, end: 3 })!.toString()).toBe("e\u0301");
    const half = document.createRange();
    half.setStart(root.querySelector("p")!.firstChild!, 2);
    half.setEnd(root.querySelector("p")!.firstChild!, 3);
    expect(map.offsets(half)).toEqual({ start: 2, end: 3 });
  });
});

describe("passages without the highlight API", () => {
  it("are wrapped, marked and restored", () => {
    const html = "<p>The <em>river</em> bends to the <strong>north</strong>.</p>\n<p>Then it ends.</p>";
    const root = element(html);
    const before = new TextMap(root);
    const opened = vi.fn();
    const passages = [
      { start: 4, end: 9 },
      { start: 10, end: 40 },
    ].map((offsets) => before.range(offsets)!);
    for (const range of passages.toReversed()) addMarker(range, "Note 1 of 2: x", false, opened);
    paint([
      { range: passages[0]!, mark: "yellow" },
      { range: passages[1]!, mark: "pink" },
    ]);
    expect(root.querySelectorAll('mark[data-note-mark="pink"]').length).toBeGreaterThan(2);
    expect(root.querySelector('mark[data-note-mark="yellow"]')!.textContent).toBe("river");
    // The text for offsets is the same, with the markers in it.
    expect(new TextMap(root).text).toBe(before.text);
    const marker = root.querySelector<HTMLButtonElement>("[data-note-marker]")!;
    expect(marker.getAttribute("aria-label")).toBe("Note 1 of 2: x");
    marker.click();
    expect(opened).toHaveBeenCalledOnce();
    clear(root);
    expect(root.innerHTML).toBe(html);
  });
});

it("a marker is not within a link or a formula", () => {
  const root = element('<p>a <a href="#x">link</a> and <math><mi>b</mi></math> end</p>');
  const map = new TextMap(root);
  const ranges = [
    { start: 2, end: 6 },
    { start: 11, end: 12 },
  ].map((offsets) => map.range(offsets)!);
  for (const range of ranges) addMarker(range, "Note", false, () => undefined);
  expect(root.querySelectorAll("[data-note-marker]").length).toBe(2);
  expect(root.querySelector("a [data-note-marker], math [data-note-marker]")).toBeNull();
  expect(new TextMap(root).text).toBe(map.text);
});

it("a page of a story is a block, whose words and sentences are joined as in the core", () => {
  const listen = '<button class="listen" aria-label="Listen"><svg><path></path></svg></button>';
  const root = element(
    `<div class="story-text" data-block="3"><p><span class="sentence">${listen}Noor ` +
      `<button class="word">climbs</button>, alone.</span> <span class="sentence now">${listen}She counts.</span> </p>` +
      `<p><span class="sentence">${listen}“One,” she says.</span> </p></div>`,
  );
  const page = root.firstElementChild!;
  const map = new TextMap(page);
  expect(map.text).toBe("Noor climbs, alone. She counts. “One,” she says.");
  const range = map.range({ start: 5, end: 18 })!;
  expect(passagesOf(root, range)).toEqual([{ place: { block: 3, start: 5, end: 18 }, quote: "climbs, alone" }]);
  // Without a selection, the sentence that is narrated.
  expect(currentPassage(root)).toEqual({ place: { block: 3, start: 20, end: 31 }, quote: "She counts." });
});

describe("the notes of a lesson", () => {
  const body: SectionBody = {
    lang: "en",
    dir: "ltr",
    blocks: [{ kind: "rich_text", html: "<p>The river bends.</p><p>It carries sand.</p>" }],
  };
  const item = "how-rivers-work/meanders/read";
  const note = (change: Partial<NoteView>): NoteView => ({
    note: "n1",
    item,
    title: "Why rivers wander",
    revisions: ["r1"],
    text: "",
    mark: "yellow",
    state: "exact",
    passage: { block: 0, start: 4, end: 9 },
    quote: "river",
    createdMs: 1,
    changedMs: 2,
    waiting: false,
    others: [],
    ...change,
  });
  const platform: ScriptedPlatform = scriptPlatform();
  let text: HTMLElement;
  let close: () => void;

  beforeAll(async () => {
    await appState.load();
    await setLanguage("en");
  });
  beforeEach(() => {
    clearKeptReplies();
    platform.replies = {};
    platform.calls.length = 0;
    Range.prototype.getBoundingClientRect = () => new DOMRect(10, 200, 50, 20);
    text = element(`<div class="block rich_text" data-block="0"><div class="rich"></div></div>`);
    text.querySelector(".rich")!.innerHTML = "<p>The river bends.</p><p>It carries sand.</p>";
    document.body.append(text);
  });
  afterEach(() => {
    close();
    text.remove();
    announcer.clear();
    getSelection()?.removeAllRanges();
    document.body.replaceChildren();
  });
  async function mountNotes(notes: NoteView[]): Promise<HTMLElement> {
    platform.replies["list_notes"] = () => ({ notes });
    const shown = show(LessonNotes as never, { item, bodyHash: "b1".repeat(32), body, lang: "en", text, ready: true });
    close = shown.close;
    await rendered();
    return shown.target;
  }
  function select(start: number, end: number): void {
    const range = new TextMap(text.querySelector(".rich")!).range({ start, end })!;
    getSelection()!.removeAllRanges();
    getSelection()!.addRange(range);
    document.dispatchEvent(new Event("selectionchange"));
  }
  const button = (name: string): HTMLButtonElement =>
    [...document.querySelectorAll("button")].find(
      (one) => one.getAttribute("aria-label") === name || one.textContent.trim() === name,
    )!;

  it("are painted with a marker each, in order", async () => {
    await mountNotes([
      note({ text: "why?" }),
      note({ note: "n2", mark: "blue", quote: "carries sand.", passage: { block: 0, start: 20, end: 33 } }),
      note({ note: "n3", quote: "another text", passage: { block: 0, start: 0, end: 12 } }),
      note({ note: "n4", state: "orphan", passage: null }),
    ]);
    const labels = [...text.querySelectorAll("[data-note-marker]")].map((one) => one.getAttribute("aria-label"));
    expect(labels).toEqual(["Note 1 of 3: why?", "Note 2 of 3: carries sand."]);
    expect([...text.querySelectorAll("mark")].map((one) => one.textContent)).toEqual(["river", "carries sand."]);
  });
  it("are made of a selection with the toolbar", async () => {
    await mountNotes([]);
    vi.useFakeTimers();
    select(4, 22);
    await vi.advanceTimersByTimeAsync(250);
    vi.useRealTimers();
    await settle();
    button("Green highlight").click();
    await rendered();
    expect(platform.requests("save_note")).toEqual([
      {
        item,
        base: [],
        text: "",
        mark: "green",
        place: { body: "b1".repeat(32), passage: { block: 0, start: 4, end: 22 } },
      },
    ]);
    expect(document.querySelector("[role=toolbar]")).toBeNull();
  });
  it("are made by keys for the paragraph that is read", async () => {
    await mountNotes([]);
    press(document.body, "h");
    await rendered();
    expect(platform.requests("save_note")).toMatchObject([{ mark: "yellow", place: { passage: { block: 0 } } }]);
    press(document.body, "n");
    await rendered();
    const field = document.querySelector("textarea")!;
    field.value = " my words ";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    // Keys within the dialog are text.
    press(field, "b");
    button("Save note").click();
    await rendered();
    expect(platform.requests("save_note")).toMatchObject([{}, { text: "my words", mark: "yellow" }]);
    press(document.body, "b");
    await rendered();
    expect(platform.requests("save_note")[2]).toMatchObject({ mark: "bookmark", text: "" });
  });
  it("show both versions of two devices, and replace them by one", async () => {
    await mountNotes([
      note({
        text: "from the phone",
        revisions: ["r1", "r2"],
        others: [{ text: "from the laptop", mark: "pink", changedMs: 1 }],
      }),
    ]);
    text.querySelector<HTMLElement>("[data-note-marker]")!.click();
    await rendered();
    const versions = document.querySelector('[aria-label="Versions of the note"]')!;
    expect(versions.textContent).toContain("from the phone");
    versions.querySelectorAll("button")[1]!.click();
    await settle();
    button("Save note").click();
    await rendered();
    expect(platform.requests("save_note")).toEqual([
      { item, note: "n1", base: ["r1", "r2"], text: "from the laptop", mark: "pink" },
    ]);
  });
  it("are deleted with an undo", async () => {
    await mountNotes([note({ text: "x" })]);
    text.querySelector<HTMLElement>("[data-note-marker]")!.click();
    await rendered();
    button("Delete").click();
    await rendered();
    expect(platform.requests("delete_note")).toEqual([{ note: "n1" }]);
    announcer.toast!.action!.run();
    await rendered();
    expect(platform.requests("restore_note")).toEqual([{ note: "n1" }]);
  });
  it("are listed and filtered; one without a place can be placed", async () => {
    await mountNotes([
      note({ text: "why?" }),
      note({ note: "n2", mark: "bookmark", state: "orphan", passage: null, quote: "gone" }),
    ]);
    press(document.body, "m");
    await rendered();
    const list = (): string[] => [...document.querySelectorAll("dialog blockquote")].map((one) => one.textContent);
    expect(list()).toEqual(["river", "gone"]);
    button("Bookmarks").click();
    await settle();
    expect(list()).toEqual(["gone"]);
    button("Choose a place").click();
    await rendered();
    vi.useFakeTimers();
    select(0, 9);
    await vi.advanceTimersByTimeAsync(250);
    vi.useRealTimers();
    await settle();
    button("Place the note here").click();
    await rendered();
    expect(platform.requests("save_note")).toMatchObject([
      { note: "n2", base: ["r1"], mark: "bookmark", place: { passage: { block: 0, start: 0, end: 9 } } },
    ]);
  });
});

it("a selection over two blocks has a passage in each", () => {
  const root = element(
    ["One two.", "Three four."]
      .map((words, n) => `<div class="rich_text" data-block="${n}"><div class="rich"><p>${words}</p></div></div>`)
      .join(""),
  );
  document.body.append(root);
  const range = document.createRange();
  range.setStart(root.querySelectorAll("p")[0]!.firstChild!, 4);
  range.setEnd(root.querySelectorAll("p")[1]!.firstChild!, 5);
  expect(passagesOf(root, range).map(({ quote }) => quote)).toEqual(["two.", "Three"]);
  root.remove();
});
