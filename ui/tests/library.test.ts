import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import Library from "../src/features/library/Library.svelte";
import type { CourseCard, StoryCard } from "../src/api/types";
import { amina, idle, offline, stateOf } from "../src/platform/fixture/accounts";
import { courses, stories } from "../src/platform/fixture/catalogue";
import { appState } from "../src/state/appState.svelte";
import { router } from "../src/state/router.svelte";
import { allByRole, byRole, change, click, fail, press, rendered, scriptPlatform, show, text, type } from "./support";

// jsdom has no layout, so the catalogue has no width and renders no covers.
globalThis.ResizeObserver ??= class {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
};
const platform = scriptPlatform();
let close: () => void;
let stop: () => void;
const freshness = { asOfMs: 0, stale: false, offline: false };

async function open() {
  const screen = show(Library, {});
  close = screen.close;
  await rendered();
  return screen.target;
}
const lists = (name: "list_courses" | "list_stories") =>
  (platform.requests(name) as { onDevice: boolean }[]).filter((request) => !request.onDevice);
/** Waits until the history has changed the route. */
async function back(): Promise<void> {
  const changed = new Promise((resolve) => addEventListener("hashchange", resolve, { once: true }));
  history.back();
  await changed;
  await rendered();
}
/** Replaces the lists: `local` of the first cards are on this device. */
function script(cards: { courses: CourseCard[]; stories: StoryCard[] }, local: number): void {
  const answer =
    (name: "list_courses" | "list_stories", items: unknown[], answered = 0) =>
    () => {
      const { onDevice } = platform.requests(name)[answered++] as { onDevice: boolean };
      const some = onDevice ? items.slice(0, local) : items;
      return { items: some, total: some.length, page: 1, pageSize: 200, freshness, categories: [], languages: [] };
    };
  platform.replies["list_courses"] = answer("list_courses", cards.courses);
  platform.replies["list_stories"] = answer("list_stories", cards.stories);
}

beforeAll(() => appState.load());
beforeEach(async () => {
  window.scrollTo = () => undefined;
  await appState.replace(stateOf(null, idle, []));
  await appState.replace(stateOf(amina, idle, [amina]));
  platform.replies = {};
  platform.calls = [];
  sessionStorage.clear();
  history.replaceState(null, "", "#/");
  router.route = { name: "library" };
  stop = router.start();
});
afterEach(() => {
  close();
  stop();
});

describe("the filters", () => {
  it("are in the address, and are read from it", async () => {
    const target = await open();
    await change(byRole<HTMLSelectElement>(target, "combobox", "Difficulty"), "BEGINNER");
    expect(location.hash).toBe("#/?difficulty=beginner");
    expect(lists("list_courses").at(-1)).toMatchObject({ difficulty: "BEGINNER" });
    await click(byRole(target, "button", "Stories"));
    expect(location.hash).toBe("#/?tab=stories");
    await change(byRole<HTMLSelectElement>(target, "combobox", "Level"), "2");
    expect(location.hash).toBe("#/?tab=stories&level=2");
    close();
    const again = await open();
    expect(byRole(again, "button", "Stories").getAttribute("aria-pressed")).toBe("true");
    expect(byRole<HTMLSelectElement>(again, "combobox", "Level").value).toBe("2");
    expect(lists("list_stories").at(-1)).toMatchObject({ level: 2 });
  });

  it("add no history entry and do not move the focus", async () => {
    const target = await open();
    const entries = history.length;
    const select = byRole<HTMLSelectElement>(target, "combobox", "Difficulty");
    select.focus();
    await change(select, "ADVANCED");
    expect(history.length).toBe(entries);
    expect(document.activeElement).toBe(select);
  });
});

describe("a search", () => {
  const field = (target: Element) => byRole<HTMLInputElement>(target, "textbox", "Search everything on this device");
  async function search(target: Element, words: string): Promise<void> {
    type(field(target), words);
    press(field(target), "Enter");
    await rendered();
  }
  it("adds one history entry; Back returns to the filters", async () => {
    const target = await open();
    await change(byRole<HTMLSelectElement>(target, "combobox", "Difficulty"), "BEGINNER");
    const entries = history.length;
    await search(target, "river");
    await search(target, "river bend");
    expect(location.hash).toBe("#/?difficulty=beginner&q=river+bend");
    expect(history.length).toBe(entries + 1);
    expect(document.activeElement).toBe(field(target));
    const difficulty = "BEGINNER";
    expect(platform.requests("search")).toEqual([
      { q: "river", difficulty },
      { q: "river bend", difficulty },
    ]);
    await back();
    expect(location.hash).toBe("#/?difficulty=beginner");
    expect(field(target).value).toBe("");
    expect(byRole<HTMLSelectElement>(target, "combobox", "Difficulty").value).toBe("BEGINNER");
  });

  it("is filtered; the filters are in the address, and can be cleared together", async () => {
    const target = await open();
    await search(target, "river");
    // Searching by role takes long on a whole screen.
    const filters = (of: Element): Element => of.querySelector(".filters")!;
    const pick = (name: string, value: string): Promise<void> =>
      change(byRole<HTMLSelectElement>(filters(target), "combobox", name), value);
    await pick("Difficulty", "ADVANCED");
    await pick("Length", "5");
    await pick("Finished", "no");
    await click(byRole(filters(target), "button", "On this device"));
    expect(location.hash).toBe("#/?difficulty=advanced&q=river&hours=5&device=this&finished=no");
    expect(platform.requests("search").at(-1)).toEqual({
      q: "river",
      difficulty: "ADVANCED",
      maxHours: 5,
      onDevice: true,
      finished: false,
    });
    close();
    const again = await open();
    expect(byRole<HTMLSelectElement>(filters(again), "combobox", "Length").value).toBe("5");
    expect(byRole(filters(again), "button", "On this device").getAttribute("aria-pressed")).toBe("true");
    await click(byRole(filters(again), "button", "Clear filters"));
    expect(location.hash).toBe("#/?q=river");
    expect(platform.requests("search").at(-1)).toEqual({ q: "river" });
    expect(allByRole(filters(again), "button", "Clear filters")).toEqual([]);
  });

  it("has pages, and a new search starts with the first", async () => {
    const hit = (n: number) => ({ kind: "course", item: `c-${n}`, title: `Course ${n}`, courseTitle: "", snippet: "" });
    platform.replies["search"] = () => ({ hits: [hit(1)], total: 101 });
    const target = await open();
    await search(target, "river");
    const pages = byRole(target, "navigation", "Pages of results");
    expect(text(pages)).toContain("Page 1 of 3");
    expect(byRole<HTMLButtonElement>(pages, "button", "Previous page").disabled).toBe(true);
    await click(byRole(pages, "button", "Next page"));
    await click(byRole(target, "button", "Next page"));
    expect(platform.requests("search").at(-1)).toEqual({ q: "river", page: 3 });
    expect(byRole<HTMLButtonElement>(target, "button", "Next page").disabled).toBe(true);
    await search(target, "lake");
    expect(platform.requests("search").at(-1)).toEqual({ q: "lake" });
    expect(text(byRole(target, "navigation", "Pages of results"))).toContain("Page 1 of 3");
  });

  it("asks the server, too, and shows what only it finds", async () => {
    const section = (item: string) => ({ kind: "section", item, title: item, courseTitle: "", snippet: "" });
    platform.replies["search"] = () => ({ hits: [section("a/one/read")], total: 1 });
    platform.replies["search_server"] = () => ({ hits: [section("b/one/read")], total: 1 });
    const target = await open();
    await search(target, "river");
    const more = byRole(target, "region", "More on the server");
    expect(allByRole(more, "link").map((link) => link.getAttribute("href"))).toEqual(["#/read/b/one/read"]);
    await click(byRole(target, "button", "On this device"));
    expect(allByRole(target, "region", "More on the server")).toEqual([]);
    const asked = platform.requests("search_server").length;
    await appState.replace(stateOf(amina, offline, [amina]));
    await search(target, "lake");
    expect(platform.requests("search_server")).toHaveLength(asked);
  });

  it("that is cleared goes back without moving the focus", async () => {
    const target = await open();
    await search(target, "river");
    const changed = new Promise((resolve) => addEventListener("hashchange", resolve, { once: true }));
    await click(byRole(target, "button", "Clear search"));
    await changed;
    await rendered();
    expect(location.hash).toBe("#/");
    expect(document.activeElement).toBe(field(target));
  });

  it("in the address is shown when the app starts", async () => {
    history.replaceState(null, "", "#/?q=river");
    router.route = { name: "library", view: { q: "river" } };
    const target = await open();
    expect(field(target).value).toBe("river");
    expect(text(target)).toContain("Courses and stories");
  });
});

it("'Show more' is remembered by the history entry, also after a reload", async () => {
  const many = Array.from({ length: 70 }, (_, i) => ({
    ...courses[0]!,
    course: { ...courses[0]!.course, id: `c${i}`, title: `Course ${i}` },
  }));
  script({ courses: many, stories: [] }, 65);
  const target = await open();
  const covers = (root: Element) => root.querySelectorAll("a.item").length;
  const before = covers(target);
  await click(byRole(target, "button", "Show more"));
  expect(covers(target)).toBeGreaterThan(before);
  close();
  dispatchEvent(new Event("pagehide"));
  expect(sessionStorage.getItem("carrel.history")).toContain('"shown":90');
  expect(covers(await open())).toBeGreaterThan(before);
});

it("a change of the catalogue changes the list without a reload, and a withdrawn course is shown as such", async () => {
  const soil = courses.find((card) => card.course.id === "soil")!;
  const bread = courses.find((card) => card.course.id === "bread")!;
  script({ courses: [soil, bread], stories: [] }, 1);
  const target = await open();
  const shown = (): string => text(byRole(target, "region", "On this device"));
  expect(shown()).toContain("Soil");
  expect(shown()).not.toContain("No longer offered");
  expect(shown()).not.toContain("Bread, from Field to Oven");
  platform.calls = [];
  const maps = courses.find((card) => card.course.id === "reading-maps")!;
  script({ courses: [{ ...soil, withdrawn: true }, bread, maps], stories: [] }, 2);
  platform.emit({ kind: "changed", topics: [{ topic: "catalogue" }] });
  await rendered();
  expect(shown()).toContain("Bread, from Field to Oven");
  expect(shown()).toContain("No longer offered");
});

describe("the language of the list", () => {
  const opener = (target: Element, name: string) => byRole(target, "button", name);
  async function pick(target: Element): Promise<HTMLElement> {
    await click(opener(target, "Language: All languages"));
    await expect.poll(() => target.querySelectorAll("dialog").length, { timeout: 5000 }).toBe(1);
    return byRole(target, "dialog", "Language");
  }
  it("is chosen by its own name", async () => {
    const target = await open();
    const dialog = await pick(target);
    await click(byRole(dialog, "button", "العربيةArabic"));
    await rendered();
    expect(location.hash).toBe("#/?lang=ar");
    expect(lists("list_courses").at(-1)).toMatchObject({ lang: "ar" });
    expect(target.querySelector("dialog")).toBeNull();
    expect(document.activeElement).toBe(opener(target, "Language: \u2068العربية\u2069"));
  });

  it("is found by its name in any of three forms", async () => {
    const languages = ["ar", "en", "ee", "fr", "ja", "lgg", "mhw", "sw", "yo", "zu"];
    platform.replies["list_courses"] = () => ({
      items: courses,
      total: courses.length,
      page: 1,
      pageSize: 60,
      freshness,
      categories: [],
      languages,
    });
    const target = await open();
    const dialog = await pick(target);
    const shown = () => allByRole(dialog, "button").map((b) => text(b));
    // The language of the UI comes first.
    expect(shown().slice(0, 3)).toEqual(["", "All languages", "English"]);
    for (const [query, found] of [
      ["yoruba", "Èdè YorùbáYoruba"],
      ["lugbara", "LugbaratiLugbara"],
      ["mhw", "ThimbukushuMbukushu"],
      ["swah", "KiswahiliSwahili"],
    ] as const) {
      type(byRole<HTMLInputElement>(dialog, "textbox", "Search for a language"), query);
      expect(shown()).toEqual(["", found]);
    }
    type(byRole<HTMLInputElement>(dialog, "textbox", "Search for a language"), "qqq");
    expect(text(dialog)).toContain("No language matches “qqq”.");
  });
});

describe("a library", () => {
  const headings = (target: Element) => allByRole(target, "heading").map((h) => text(h));
  it("that is completely on this device is listed once", async () => {
    script({ courses: courses.slice(0, 3), stories: stories.slice(0, 2) }, 3);
    const target = await open();
    expect(headings(target)).toContain("On this device");
    expect(headings(target)).not.toContain("In the library");
    expect(byRole(target, "button", "Stories")).toBeTruthy();
  });
  it("of which a part is on this device has both lists", async () => {
    script({ courses: courses.slice(0, 3), stories: stories.slice(0, 2) }, 2);
    const target = await open();
    expect(headings(target)).toEqual(expect.arrayContaining(["On this device", "In the library"]));
  });
});

describe("the code of a course", () => {
  const dialog = () => document.querySelector("dialog")!;
  async function enter(code: string): Promise<void> {
    type(byRole<HTMLInputElement>(dialog(), "textbox", "Code"), code);
    await click(byRole(dialog(), "button", "Enter"));
    await rendered();
  }
  it("is sent to the server, and its course is opened", async () => {
    const target = await open();
    await click(byRole(target, "button", "Enter a course code"));
    await enter("  ");
    expect(platform.requests("enter_code")).toEqual([]);
    platform.replies["enter_code"] = () => fail("token_unknown");
    await enter("2Z7K-9ABC-DEFH");
    expect(text(byRole(dialog(), "alert"))).toContain("This server does not know the code.");
    expect(document.activeElement).toBe(byRole(dialog(), "textbox", "Code"));
    delete platform.replies["enter_code"];
    await enter(" 2z7k-9abc-defg ");
    expect(platform.requests("enter_code").at(-1)).toEqual({ code: "2z7k-9abc-defg" });
    expect(document.querySelector("dialog")).toBeNull();
    expect(router.route).toMatchObject({ name: "course", course: "how-rivers-work" });
  });
  it("is not asked for without a server", async () => {
    await appState.replace(stateOf({ ...amina, server: "" }, idle, []));
    const target = await open();
    expect(allByRole(target, "button", "Enter a course code")).toEqual([]);
  });
});
