import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { SearchHit, StoryCard } from "../src/api/types";
import CatalogueItem from "../src/features/library/CatalogueItem.svelte";
import Catalogue from "../src/features/library/Catalogue.svelte";
import DownloadSeveral from "../src/features/library/DownloadSeveral.svelte";
import { downloadable, fitting } from "../src/features/library/several";
import SearchResults from "../src/features/library/SearchResults.svelte";
import Story from "../src/features/story/Story.svelte";
import StoryDetails from "../src/features/story/StoryDetails.svelte";
import LanguagesDialog from "../src/components/languages/LanguagesDialog.svelte";
import { amina, idle, offline, settings, stateOf } from "../src/platform/fixture/accounts";
import { absent, courses, ready, stories } from "../src/platform/fixture/catalogue";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { router, type LibraryView, type Route } from "../src/state/router.svelte";
import { allByRole, byRole, change, click, rendered, scriptPlatform, show, text } from "./support";

const platform = scriptPlatform();
let close: () => void = () => undefined;
const SEA = "the-sea-in-the-radio";
const MER = "la-mer-dans-la-radio";

beforeAll(() => appState.load());
beforeEach(async () => {
  window.scrollTo = () => undefined;
  clearKeptReplies();
  appState.downloads.clear();
  platform.replies = {};
  platform.calls = [];
  await appState.replace(stateOf(amina, idle, [amina]));
});
afterEach(() => close());

describe("the page of a story", () => {
  const open = async (story: string) => {
    const shown = show(StoryDetails, { route: { name: "book", story } as Route });
    close = shown.close;
    await rendered();
    return shown.target;
  };
  it("shows level, language, length and size, and starts the story", async () => {
    const target = await open("telling-the-bees");
    expect(text(byRole(target, "heading", "Telling the Bees"))).toBe("Telling the Bees");
    const facts = text(byRole(target, "region", "Story details"));
    for (const fact of ["Level 2", "English", "8 pages, with narration", "CC0-1.0", "1.9 MB"])
      expect(facts).toContain(fact);
    expect(byRole(target, "link", "Start").getAttribute("href")).toBe("#/story/telling-the-bees");
    expect(text(target)).toContain("Available offline");
  });

  it("downloads and removes the story", async () => {
    platform.replies["start_download"] = () => ready(1_900_000);
    const target = await open(SEA);
    expect(allByRole(target, "button", "Copy to USB drive")).toEqual([]);
    await click(byRole(target, "button", "Download, 1.9 MB"));
    expect(platform.requests("start_download")).toEqual([{ id: SEA, isStory: true, anyway: false }]);
    expect(text(target)).toContain("Available offline");
    expect(allByRole(target, "button", "Copy to USB drive")).toHaveLength(1);
    platform.replies["remove_download"] = () => absent(1_900_000);
    await click(byRole(target, "button", "Remove from this device"));
    await click(byRole(target, "button", "Remove"));
    expect(platform.requests("remove_download")).toEqual([{ id: SEA, isStory: true }]);
    expect(allByRole(target, "button", "Download, 1.9 MB")).toHaveLength(1);
  });

  it("links to the other languages of the story", async () => {
    const target = await open(SEA);
    const links = allByRole(byRole(target, "region", "Languages of this story"), "link");
    expect(links.map((a) => [text(a), a.getAttribute("href"), a.getAttribute("aria-current")])).toEqual([
      ["English", `#/book/${SEA}`, "page"],
      ["Français", `#/book/${MER}`, null],
    ]);
  });

  it("says if the library has no such story", async () => {
    const target = await open("nothing");
    expect(byRole(target, "heading", "Not found").localName).toBe("h1");
  });
});

describe("the open story", () => {
  const open = async (item: string) => {
    const shown = show(Story, { route: { name: "story", item } as Route });
    close = shown.close;
    await rendered();
    return shown.target;
  };
  it("is downloaded from its header", async () => {
    const target = await open(SEA);
    await click(byRole(target, "button", "Download, 1.9 MB"));
    const sheet = byRole(target, "dialog", "Download and languages");
    platform.replies["start_download"] = () => ready(1_900_000);
    await click(byRole(sheet, "button", "Download, 1.9 MB"));
    expect(platform.requests("start_download")).toEqual([{ id: SEA, isStory: true, anyway: false }]);
    expect(allByRole(target.querySelector("header")!, "button", "Available offline")).toHaveLength(1);
  });

  it("is read on at the same page in another language", async () => {
    const target = await open(SEA);
    await click(byRole(target, "button", "Next page"));
    await click(byRole(target, "button", "Language of the story: English"));
    await click(byRole(byRole(target, "dialog"), "button", "Français"));
    expect(router.route).toEqual({ name: "story", item: MER });
    close();
    const french = await open(MER);
    expect(french.querySelector<HTMLElement>(".text")!.dataset["page"]).toBe("1");
    expect(french.querySelector(".text")!.getAttribute("lang")).toBe("fr");
  });

  it("shows a second language beside the first", async () => {
    const target = await open(SEA);
    await click(byRole(target, "button", "Language of the story: English"));
    const sheet = byRole(target, "dialog");
    await change(byRole<HTMLSelectElement>(sheet, "combobox", "Second language beside the text"), MER);
    const languages = [...target.querySelectorAll(".text, .words")].map((e) => e.getAttribute("lang"));
    expect(languages).toEqual(["en", "fr"]);
    expect(platform.requests("open_story")).toContainEqual({ item: MER });
  });

  const withSecond = async (): Promise<{
    target: HTMLElement;
    lit: () => string[][];
    play: ReturnType<typeof vi.fn>;
  }> => {
    const target = await open(SEA);
    const audio = target.querySelector("audio")!;
    const play = vi.spyOn(audio, "play").mockImplementation(() => Promise.resolve());
    await click(byRole(target, "button", "Language of the story: English"));
    await change(
      byRole<HTMLSelectElement>(byRole(target, "dialog"), "combobox", "Second language beside the text"),
      MER,
    );
    await click(byRole(byRole(target, "dialog"), "button", "Close"));
    const lit = (): string[][] =>
      [".first", ".words"].map((part) => [...target.querySelectorAll(`${part} .now`)].map((e) => text(e)));
    return { target, lit, play };
  };
  const named = (target: HTMLElement, name: string): HTMLElement => target.querySelector(`[aria-label="${name}"]`)!;

  it("highlights the narrated sentence in both languages", async () => {
    const { target, lit, play } = await withSecond();
    await click(named(target, "Listen: She counts them aloud."));
    expect([lit(), play.mock.calls.length]).toEqual([
      [["She counts them aloud."], ["Elle compte les marches à voix haute."]],
      1,
    ]);
    expect(allByRole(target, "button", "Listen: Elle compte les marches à voix haute.")).toEqual([]);
  });

  it("shows a chosen sentence of the second language in the first, without a voice", async () => {
    const { target, lit, play } = await withSecond();
    const button = named(target, "Show in English: Chaque soir, Noor monte l’escalier.");
    await click(button);
    expect([lit(), play.mock.calls.length]).toEqual([
      [["Every evening Noor climbs the stairs."], ["Chaque soir, Noor monte l’escalier."]],
      0,
    ]);
    expect(button.getAttribute("aria-pressed")).toBe("true");
    await click(button);
    expect(lit()).toEqual([[], []]);
    await click(button);
    await click(named(target, "Listen: She counts them aloud."));
    expect(lit()[1]).toEqual(["Elle compte les marches à voix haute."]);
  });

  it("listens in the second language from the same sentence on", async () => {
    const { target, lit, play } = await withSecond();
    await click(named(target, "Listen: She counts them aloud."));
    await click(named(target, "Listening options"));
    const voices = allByRole<HTMLInputElement>(byRole(target, "dialog"), "radio").filter((r) => r.name === "voice");
    expect(voices.map((r) => [text(r.closest("label")!), r.checked])).toEqual([
      ["English", true],
      ["Français", false],
    ]);
    await click(voices[1]!);
    expect([lit(), play.mock.calls.length]).toEqual([
      [["She counts them aloud."], ["Elle compte les marches à voix haute."]],
      2,
    ]);
    await click(byRole(byRole(target, "dialog"), "button", "Close"));
    await click(named(target, "Listen: Au loin, un bateau tourne vers le port."));
    expect(lit()).toEqual([["Far out, a boat turns toward the harbour."], ["Au loin, un bateau tourne vers le port."]]);
    // The second language is closed, and with it its voice.
    await click(byRole(target, "button", "Language of the story: English"));
    await change(
      byRole<HTMLSelectElement>(byRole(target, "dialog"), "combobox", "Second language beside the text"),
      "",
    );
    expect(named(target, "Listen: She counts them aloud.")).not.toBeNull();
  });

  it("does not offer languages that cannot be reached", async () => {
    const target = await open(SEA);
    await appState.replace(stateOf(amina, offline, [amina]));
    await click(byRole(target, "button", "Language of the story: English"));
    expect(byRole<HTMLButtonElement>(byRole(target, "dialog"), "button", "Français").disabled).toBe(true);
  });

  it("inside a course saves words under the course, and has no download of its own", async () => {
    const target = await open("how-rivers-work/the-walnut-boat");
    expect(allByRole(target, "button").filter((b) => /Download/.test(b.getAttribute("aria-label") ?? ""))).toEqual([]);
    await click(target.querySelector<HTMLElement>(".text .word")!);
    await click(target.querySelector<HTMLElement>(".card .row button")!);
    const saved = platform.requests("save_word") as { word: string }[];
    expect(saved[0]!.word).toMatch(/^how-rivers-work\/the-walnut-boat\//);
  });
});

describe("a search result", () => {
  const hit = (kind: SearchHit["kind"], item: string): SearchHit => ({
    kind,
    item,
    title: item,
    courseTitle: "",
    snippet: "",
  });
  it("shows cover, language and level of its course or story", async () => {
    const hits = [
      hit("course", "how-rivers-work"),
      hit("story", MER),
      hit("section", "how-rivers-work/meanders/read"),
      hit("story", "gone"),
    ];
    const reply = { hits, total: hits.length };
    const props = { q: "x", reply, failure: undefined, slow: false, onclear: () => undefined };
    const shown = show(SearchResults, props);
    close = shown.close;
    await rendered();
    const rows = allByRole(shown.target, "listitem");
    expect(
      rows.map((row) => [
        row.querySelector(".cover") !== null,
        text(row).replace(row.querySelector("strong")!.textContent, "").trim(),
      ]),
    ).toEqual([
      [true, expect.stringMatching(/English ?Intermediate$/) as string],
      [true, expect.stringMatching(/Français ?Level 4$/) as string],
      [false, expect.stringMatching(/^$/) as string],
      [false, expect.stringMatching(/English ?Intermediate$/) as string],
    ]);
  });
});

describe("several downloads", () => {
  const newest = () => undefined;
  it("leave out what is on this device or on its way", () => {
    const card = stories.find((c) => c.story.id === SEA)!;
    const state = (phase: StoryCard["download"]["phase"], bytesDone = 0) => ({
      ...card,
      download: { ...card.download, phase, bytesDone },
    });
    expect(downloadable(state("absent"), newest)).toEqual({ id: SEA, isStory: true, bytes: 1_900_000 });
    expect(downloadable(state("paused", 900_000), newest)!.bytes).toBe(1_000_000);
    for (const phase of ["ready", "queued", "running"] as const)
      expect(downloadable(state(phase), newest)).toBeUndefined();
    expect(
      downloadable(
        courses.find((c) => c.download.phase === "absent")!,
        newest,
      )!.isStory,
    ).toBe(false);
  });

  it("start only as many as fit above the space that stays free", () => {
    const items = [5, 3, 9, 2].map((bytes, i) => ({ id: String(i), isStory: true, bytes }));
    expect(fitting(items, 10).map((i) => i.id)).toEqual(["0", "1", "3"]);
    expect(fitting(items, 1)).toEqual([]);
    expect(fitting(items, 100)).toHaveLength(4);
  });

  it("cannot include what is on this device", () => {
    const story = stories.find((card) => card.story.id === "telling-the-bees")!;
    const shown = show(CatalogueItem, { story, selected: false, selectable: false, onselect: () => undefined });
    close = shown.close;
    const item = byRole(shown.target, "button");
    expect([item.getAttribute("aria-disabled"), item.getAttribute("aria-pressed")]).toEqual(["true", null]);
    expect(text(item)).toContain("on this device");
    expect(item.querySelector(".mark")).toBeNull();
  });

  it("show the size, and name what does not fit", async () => {
    const storage = { free: 1_000_000, floor: 200_000, budget: 10_000_000, used: 0 };
    platform.replies["get_storage"] = () => storage;
    platform.replies["start_download"] = () => ready(1);
    const items = [500, 400, 200].map((kilobytes, i) => ({ id: `s${i}`, isStory: true, bytes: kilobytes * 1000 }));
    let done = 0;
    const shown = show(DownloadSeveral, {
      items: () => Promise.resolve(items),
      onclose: () => undefined,
      ondone: () => done++,
    });
    close = shown.close;
    await rendered();
    expect(text(shown.target)).toContain("3 titles, 1.1 MB.");
    expect(text(shown.target)).toContain("There is space for 800 kB on this device. Only 2 titles fit, 700 kB.");
    await click(byRole(shown.target, "button", "Download 2 titles, 700 kB"));
    expect(platform.requests("start_download")).toEqual([
      { id: "s0", isStory: true, anyway: false },
      { id: "s2", isStory: true, anyway: false },
    ]);
    expect(done).toBe(1);
  });
});

describe("my languages", () => {
  const first = {
    courses: {
      items: courses,
      total: courses.length,
      page: 1,
      pageSize: 60,
      categories: [],
      languages: ["ar", "en", "ja"],
    },
    stories: { items: stories, total: stories.length, page: 1, pageSize: 60, languages: ["ar", "en", "fr", "zh"] },
  };
  const open = async (view: LibraryView, contentLanguages: string[]) => {
    const state = stateOf(amina, idle, [amina]);
    await appState.replace({ ...state, settings: { ...settings, contentLanguages } });
    const freshness = { asOfMs: 0, stale: false, offline: false };
    const views: LibraryView[] = [];
    const shown = show(Catalogue, {
      first: { courses: { ...first.courses, freshness }, stories: { ...first.stories, freshness } },
      view,
      onview: (next: LibraryView) => views.push(next),
    });
    close = shown.close;
    await rendered();
    return { target: shown.target, views };
  };
  it("limit the catalogue, with a chip to see all", async () => {
    const { target, views } = await open({ tab: "stories" }, ["fr", "ar"]);
    expect(platform.requests("list_stories").at(-1)).toMatchObject({ langs: ["fr", "ar"], grouped: true });
    const chip = target.querySelector<HTMLElement>(".chip.own")!;
    expect(text(chip)).toMatch(/^My languages: .?Français and العربية/);
    expect(chip.getAttribute("aria-pressed")).toBe("true");
    await click(chip);
    expect(views).toEqual([{ tab: "stories", allLanguages: true }]);
  });

  it("do not apply to a chosen language or to all languages", async () => {
    const all = await open({ tab: "stories", allLanguages: true }, ["fr"]);
    expect(platform.requests("list_stories").filter((r) => (r as { langs?: string[] }).langs)).toEqual([]);
    expect(byRole(all.target, "button", "My languages: Français").getAttribute("aria-pressed")).toBe("false");
    close();
    const one = await open({ tab: "stories", lang: "zh" }, ["fr"]);
    expect(platform.requests("list_stories").at(-1)).toMatchObject({ lang: "zh" });
    expect(allByRole(one.target, "button", "My languages: Français")).toEqual([]);
  });

  it("are chosen in a dialog", async () => {
    let chosen: string[] = [];
    const shown = show(LanguagesDialog, {
      languages: ["ar", "en", "fr"],
      chosen: ["fr"],
      onchoose: (tags: string[]) => (chosen = tags),
      onclose: () => undefined,
    });
    close = shown.close;
    await rendered();
    const boxes = allByRole<HTMLInputElement>(shown.target, "checkbox");
    expect(boxes.map((box) => [text(box.closest("label")!).split(" ")[0], box.checked])[0]).toEqual([
      expect.stringContaining("Français"),
      true,
    ]);
    await click(boxes[1]!);
    await click(byRole(shown.target, "button", "Save"));
    expect(chosen).toHaveLength(2);
    expect(chosen[0]).toBe("fr");
  });
});
