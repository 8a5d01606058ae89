import { flushSync } from "svelte";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import App from "../src/app/App.svelte";
import { setLanguage } from "../src/i18n/index.svelte";
import ScreenHost from "../src/app/ScreenHost.svelte";
import { fixture } from "../src/platform/fixture";
import { useTransport } from "../src/platform/transport";
import { router, type Route } from "../src/state/router.svelte";
import { Screens } from "../src/app/screens.svelte";
import ThrowsAtMount from "./components/ThrowsAtMount.svelte";
import ThrowsInEffect from "./components/ThrowsInEffect.svelte";
import { faults } from "./components/faults";
import { reactive } from "./reactive.svelte";
import { settle, show } from "./support";

vi.mock("../src/features/progress/Progress.svelte", async () => ({
  default: (await import("./components/ThrowsAtMount.svelte")).default,
}));
vi.mock("../src/features/review/Review.svelte", () => ({
  get default() {
    throw new Error("no such chunk");
  },
}));

const button = (target: Element, text: string): HTMLElement => {
  const found = [...target.querySelectorAll<HTMLElement>("button, a")].find((b) => b.textContent?.trim() === text);
  expect(found, text).toBeDefined();
  return found!;
};
const heading = (target: Element): string => target.querySelector("h1")?.textContent ?? "";
const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
/** Waits for a heading, because screens are loaded by a real dynamic import. */
const loaded = (target: Element, text: string): Promise<void> =>
  vi.waitFor(() => (flushSync(), expect(heading(target)).toBe(text)), { interval: 5, timeout: 5000 });

beforeAll(async () => {
  // Disables prefetching, so that only the tests load chunks.
  window.requestIdleCallback = () => 0;
  useTransport(fixture("en"));
  await setLanguage("en");
});
beforeEach(() => {
  faults.enabled = true;
  log.mockClear();
});
afterEach(() => {
  vi.unstubAllGlobals();
});

describe.each([
  ["at mount", ThrowsAtMount, "thrown at mount"],
  ["in an effect", ThrowsInEffect, "thrown in an effect"],
])("a screen that throws %s", (_, component, message) => {
  const open = () => {
    const props = reactive<{ name: string; route: Route; screens: Screens }>({
      screens: new Screens({ sync: component }, {}),
      name: "sync",
      route: { name: "sync" },
    });
    return { props, ...show(ScreenHost as never, props as never) };
  };
  it("is replaced by an error page and is logged", () => {
    const { target, close } = open();
    expect(heading(target)).toBe("This page stopped working");
    expect(button(target, "Go to the library").getAttribute("href")).toBe("#/");
    expect(target.querySelector("pre")?.textContent).toContain(message);
    expect(log).toHaveBeenCalledOnce();
    close();
  });
  it("is retried by 'Try again' any number of times", () => {
    const { target, close } = open();
    button(target, "Try again").click();
    flushSync();
    expect(heading(target)).toBe("This page stopped working");
    faults.enabled = false;
    button(target, "Try again").click();
    flushSync();
    expect(heading(target)).toBe("It works");
    close();
  });
  it("is shown again after the route changed", () => {
    const { target, props, close } = open();
    faults.enabled = false;
    props.route = { name: "sync" };
    flushSync();
    expect(heading(target)).toBe("It works");
    close();
  });
});

describe("details of an error", () => {
  const open = () =>
    show(
      ScreenHost as never,
      { screens: new Screens({ sync: ThrowsAtMount }, {}), name: "sync", route: { name: "sync" } } as never,
    );
  it("are copied", async () => {
    const copied: string[] = [];
    vi.stubGlobal("navigator", {
      userAgent: "test",
      clipboard: { writeText: (text: string) => (copied.push(text), Promise.resolve()) },
    });
    const { target, close } = open();
    button(target, "Copy details").click();
    await settle();
    expect(copied[0]).toMatch(/^Carrel, sync\nError: thrown at mount/);
    expect(button(target, "Details copied")).toBeDefined();
    close();
  });
  it("are shown if the clipboard is not accessible", async () => {
    vi.stubGlobal("navigator", {
      userAgent: "test",
      clipboard: { writeText: () => Promise.reject(new Error("not allowed")) },
    });
    const { target, close } = open();
    expect(target.querySelector("details")?.open).toBe(false);
    button(target, "Copy details").click();
    await settle();
    expect(target.querySelector("details")?.open).toBe(true);
    close();
  });
});

describe("a chunk that does not load", () => {
  const open = (loads: (() => Promise<{ default: unknown }>)[]) => {
    faults.enabled = false;
    const reload = vi.fn(() => Promise.resolve());
    const screens = new Screens({}, { sync: () => loads.shift()!() }, reload);
    return {
      reload,
      screens,
      ...show(ScreenHost as never, { screens, name: "sync", route: { name: "sync" } } as never),
    };
  };
  const failToLoad = (): Promise<never> => Promise.reject(new TypeError("Importing a module script failed."));
  const loadScreen = () => Promise.resolve({ default: ThrowsAtMount });
  it("shows an error and is loaded by 'Try again'", async () => {
    const { target, reload, close } = open([failToLoad, loadScreen]);
    await settle();
    expect(heading(target)).toBe("This page did not load");
    expect(target.querySelector("pre")?.textContent).toContain("Importing a module script failed.");
    button(target, "Try again").click();
    await settle();
    expect(heading(target)).toBe("It works");
    expect(reload).not.toHaveBeenCalled();
    close();
  });
  it("reloads the page if it fails again", async () => {
    const { target, reload, close } = open([failToLoad, failToLoad]);
    await settle();
    button(target, "Try again").click();
    await settle();
    expect(reload).toHaveBeenCalledOnce();
    expect(heading(target)).toBe("This page did not load");
    close();
  });
  it("is loaded when its screen is opened after a failed prefetch", async () => {
    faults.enabled = false;
    const loads = [failToLoad, loadScreen];
    const screens = new Screens({}, { sync: () => loads.shift()!() }, () => Promise.resolve());
    await screens.load("sync");
    const { target, close } = show(ScreenHost as never, { screens, name: "sync", route: { name: "sync" } } as never);
    await settle();
    expect(heading(target)).toBe("It works");
    close();
  });
  it("is fetched once for concurrent requests", async () => {
    const load = vi.fn(loadScreen);
    const screens = new Screens({}, { sync: load });
    await Promise.all([screens.load("sync"), screens.load("sync")]);
    expect(load).toHaveBeenCalledOnce();
  });
});

describe("the app", () => {
  const navigation = (target: Element): number => target.querySelectorAll("nav a").length;
  it("keeps its navigation when a screen throws or does not load, and can navigate away", async () => {
    const { target, close } = show(App as never, {} as never);
    await loaded(target, "Library");
    const links = navigation(target);
    expect(links).toBeGreaterThan(3);
    router.route = { name: "progress" };
    await loaded(target, "This page stopped working");
    expect(navigation(target)).toBe(links);
    router.route = { name: "review" };
    await loaded(target, "This page did not load");
    expect(navigation(target)).toBe(links);
    router.route = { name: "library" };
    await loaded(target, "Library");
    expect(navigation(target)).toBe(links);
    close();
  });
});
