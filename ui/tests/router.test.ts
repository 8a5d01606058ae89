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

describe("the history", () => {
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
