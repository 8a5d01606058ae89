import { describe, expect, it, vi } from "vitest";
import { href, parse, router, type Route } from "../src/state/router.svelte";

describe("addresses", () => {
  const routes: Route[] = [
    { name: "library" },
    { name: "course", course: "how-rivers-work" },
    { name: "read", item: "how-rivers-work/meanders/read" },
    { name: "story", item: "the-lamp-by-the-sea" },
    { name: "story", item: "how-rivers-work/the-walnut-boat" },
    { name: "review" },
    { name: "progress" },
    { name: "sync" },
    { name: "settings" },
    { name: "welcome" },
    { name: "welcome", account: "0a1b2c3d" },
  ];
  it("are parsed to the same route", () => {
    for (const route of routes) expect(parse(href(route))).toEqual(route);
  });
  it("that are unknown are parsed to the not-found page", () => {
    for (const bad of [
      "#/course",
      "#/course/A",
      "#/course/../x",
      "#/course/a/b",
      "#/read/a/b",
      "#/read/a/b/c/d",
      "#/story",
      "#/story/a/b/c",
      "#/nowhere",
      "#/sync/x",
      "#/course/%3Cscript%3E",
      `#/course/${"x".repeat(65)}`,
    ]) {
      expect(parse(bad), bad).toEqual({ name: "notFound" });
    }
  });
  it("without a path are parsed to the library", () => {
    for (const home of ["", "#", "#/", "/"]) expect(parse(home)).toEqual({ name: "library" });
  });
});

describe("the selections of the library", () => {
  it.each([
    ["#/?tab=stories", { tab: "stories" }],
    ["#/?tab=courses&difficulty=advanced", { tab: "courses", difficulty: "ADVANCED" }],
    ["#/?tab=stories&level=2&lang=sw", { tab: "stories", level: 2, lang: "sw" }],
    ["#/?lang=zh-Hant-TW", { lang: "zh-Hant-TW" }],
    ["#/?subject=Arts+%26+crafts", { category: "Arts & crafts" }],
    ["#/?q=%D9%82%D8%B7%D8%A9", { q: "قطة" }],
    ["#/?q=50%25+of+a%3Fb%23c%2Fd", { q: "50% of a?b#c/d" }],
  ])("%s are parsed and formatted", (address, view) => {
    expect(parse(address)).toEqual({ name: "library", view });
    expect(href({ name: "library", view } as Route)).toBe(address);
  });
  it.each([
    ["#/?", {}],
    ["#/?tab=other&level=6&difficulty=hard&lang=%3Cb%3E&x=1", {}],
    ["#/?level=03", {}],
    ["#/?q=+++", {}],
    ["#/?q=%E0%A4%A", { q: "\uFFFD%A" }],
    [`#/?q=${"x".repeat(300)}`, { q: "x".repeat(200) }],
    ["#?q=a", { q: "a" }],
  ])("%s are read without their invalid values", (address, view) => {
    expect(parse(address)).toEqual(Object.keys(view).length > 0 ? { name: "library", view } : { name: "library" });
  });
});

describe("the history", () => {
  const changed = (): Promise<unknown> =>
    new Promise((resolve) => addEventListener("hashchange", resolve, { once: true }));
  async function follow(address: string): Promise<void> {
    const done = changed();
    location.hash = address;
    await done;
  }
  it("restores the scroll position and values of an entry, also after a reload", async () => {
    sessionStorage.clear();
    history.replaceState(null, "", "#/?tab=stories");
    let stop = router.start();
    vi.stubGlobal("scrollY", 840);
    dispatchEvent(new Event("scroll"));
    router.remember("shown", 90);
    await follow("#/story/the-lamp-by-the-sea");
    expect([router.scrollTop, router.recall("shown")]).toEqual([0, undefined]);
    // A reload: the state of the window is kept, the one of the module is not.
    dispatchEvent(new Event("pagehide"));
    stop();
    vi.resetModules();
    const { router: reloaded } = await import("../src/state/router.svelte");
    stop = reloaded.start();
    const back = changed();
    history.back();
    await back;
    expect(reloaded.route).toEqual({ name: "library", view: { tab: "stories" } });
    expect([reloaded.scrollTop, reloaded.recall("shown")]).toEqual([840, 90]);
    vi.unstubAllGlobals();
    stop();
  });

  it("goes up to the previous entry if that is the page above, else to a new one", async () => {
    sessionStorage.clear();
    history.replaceState(null, "", "#/?tab=stories");
    router.route = parse(location.hash);
    const stop = router.start();
    await follow("#/course/how-rivers-work");
    let done = changed();
    router.up({ name: "library" });
    await done;
    expect(location.hash).toBe("#/?tab=stories");
    await follow("#/sync");
    await follow("#/course/how-rivers-work");
    done = changed();
    router.up({ name: "library" });
    await done;
    expect(location.hash).toBe("#/");
    stop();
  });

  it("ignores stored values that are damaged", async () => {
    for (const stored of ["{", "7", '[1,["x",{}],[3,null]]']) {
      sessionStorage.setItem("carrel.history", stored);
      vi.resetModules();
      const { router: loaded } = await import("../src/state/router.svelte");
      const stop = loaded.start();
      expect(loaded.recall("scroll")).toBeUndefined();
      stop();
    }
    sessionStorage.clear();
  });

  it("shows the page if the engine rejects the state of its history entry", () => {
    const stop = router.start();
    const refuse = vi.spyOn(history, "replaceState").mockImplementation(() => {
      throw new DOMException("more than 100 times per 10 seconds", "SecurityError");
    });
    location.hash = "#/sync";
    dispatchEvent(new Event("hashchange"));
    expect(router.route).toEqual({ name: "sync" });
    router.replace({ name: "settings" });
    expect(router.route).toEqual({ name: "settings" });
    refuse.mockRestore();
    stop();
  });
});
