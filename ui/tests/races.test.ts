import { flushSync } from "svelte";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { announcer } from "../src/state/announce.svelte";
import type { ItemProgress, UiEvent } from "../src/api/types";
import { setLanguage } from "../src/i18n/index.svelte";
import { Pages } from "../src/state/pages.svelte";
import Announcements from "../src/app/Announcements.svelte";
import ShortcutsDialog from "../src/features/lesson/ShortcutsDialog.svelte";
import { fixture } from "../src/platform/fixture";
import { useTransport } from "../src/platform/transport";
import QuizBox from "../src/components/quiz/QuizBox.svelte";
import Course from "../src/features/course/Course.svelte";
import Lesson from "../src/features/lesson/Lesson.svelte";
import { appState } from "../src/state/appState.svelte";
import { reactive } from "./reactive.svelte";
import { rendered, press, settle, show } from "./support";

interface Held {
  name: string;
  request: Record<string, unknown>;
  /** Resolves the command, by default with the reply of the fixture. */
  release: (reply?: unknown) => void;
  reject: (cause: unknown) => void;
}
/** Names of commands that are held until the test releases them. */
let heldCommands: Set<string>;
let held: Held[] = [];
let calls: { name: string; request: Record<string, unknown> }[] = [];
const order: string[] = [];
const inner = fixture("en");
const listeners = new Set<(event: UiEvent) => void>();

beforeAll(async () => {
  heldCommands = new Set();
  useTransport({
    call: (name, request) => {
      order.push(name);
      calls.push({ name, request: request as Record<string, unknown> });
      if (!heldCommands.has(name)) return inner.call(name, request);
      return new Promise((resolve, reject) => {
        held.push({
          name,
          request: request as Record<string, unknown>,
          release: (reply) => resolve(reply ?? inner.call(name, request)),
          reject,
        });
      });
    },
    listen: (listener) => {
      order.push("listen");
      listeners.add(listener);
      const channel = inner.listen(listener);
      return { ready: channel.ready.then(() => void order.push("listening")), stop: channel.stop };
    },
  });
  await appState.load();
  await setLanguage("en");
});
beforeEach(() => {
  heldCommands.clear();
  held = [];
  calls = [];
});
const finished = (): string[] =>
  calls.filter((c) => c.name === "record_progress" && c.request["done"] === true).map((c) => String(c.request["item"]));
const done: ItemProgress = { percent: 10_000, done: true, pos: null, posDevice: "", posAtMs: 0, waiting: false };
const A = "how-rivers-work/meanders/read";
const B = "how-rivers-work/deltas/read";

describe("a command whose reply arrives after navigation", () => {
  const lesson = async (item: string) => {
    const props = reactive({ route: { name: "read", item } });
    const shown = show(Lesson as never, props as never);
    await rendered();
    return {
      ...shown,
      open: async (to: string) => {
        props.route = { name: "read", item: to };
        flushSync();
        await rendered();
      },
    };
  };
  it("finishes its own section and does not affect the open one", async () => {
    const page = await lesson(A);
    heldCommands.add("record_progress");
    press(document.body, "f");
    await settle();
    expect(finished()).toEqual([A]);
    await page.open(B);
    const before = announcer.announcement.count;
    held.filter((h) => h.request["done"] === true).forEach((h) => h.release(done));
    await rendered();
    expect(finished()).toEqual([A]);
    expect(page.target.querySelector(".finished")).toBeNull();
    expect(announcer.announcement.count).toBe(before);
    press(document.body, "f");
    await settle();
    expect(finished()).toEqual([A, B]);
    page.close();
  });
  it("does not open a word of the previous section", async () => {
    const page = await lesson(A);
    const link = page.target.querySelector<HTMLElement>("a[data-word]");
    expect(link).not.toBeNull();
    heldCommands.add("get_word");
    link!.click();
    await settle();
    await page.open(B);
    held.forEach((h) => h.release());
    await rendered();
    expect(page.target.ownerDocument.querySelector("[popover]")).toBeNull();
    page.close();
  });
  it("a submitted quiz finishes its own section", async () => {
    const submitted: string[] = [];
    const body = "b".repeat(64);
    const props = reactive({
      quiz: "how-rivers-work/q",
      body,
      title: "Q",
      onsubmitted: () => void submitted.push("first"),
    });
    const { target, close } = show(QuizBox as never, props as never);
    await settle();
    target.querySelector<HTMLElement>("button")!.click();
    await settle();
    heldCommands.add("submit_attempt");
    // Only an assessment can be submitted without answers.
    (props as Record<string, unknown>)["assessment"] = true;
    flushSync();
    for (
      let i = 0;
      i < 20 && !/submit/i.test([...target.querySelectorAll(".actions button")].at(-1)?.textContent ?? "");
      i++
    ) {
      [...target.querySelectorAll<HTMLElement>(".actions button")].at(-1)!.click();
      await settle();
    }
    [...target.querySelectorAll<HTMLElement>(".actions button")].at(-1)!.click();
    await settle();
    target.querySelector<HTMLElement>("[role=alert] button")?.click();
    await settle();
    expect(held.map((h) => h.name)).toEqual(["submit_attempt"]);
    props.onsubmitted = () => void submitted.push("second");
    flushSync();
    held[0]!.release();
    await settle();
    expect(submitted).toEqual(["first"]);
    close();
  });
  it("a refused enrolment of one course does not affect another one", async () => {
    const props = reactive({ route: { name: "course", course: "how-rivers-work" } });
    const { target, close } = show(Course as never, props as never);
    await rendered();
    heldCommands.add("unenrol");
    heldCommands.add("enrol");
    target.querySelector<HTMLElement>(".enrolled")?.click();
    await settle();
    [...target.querySelectorAll<HTMLElement>(".actions button")].find((b) => !b.classList.contains("plain"))?.click();
    await settle();
    expect(held.length).toBe(1);
    props.route = { name: "course", course: "ink-and-paper" };
    flushSync();
    await rendered();
    const other = target.querySelector("h1")?.textContent;
    held[0]!.reject({ code: "unavailable", message: "", hint: "", retryable: true, correlationId: "" });
    await rendered();
    expect(target.querySelector("h1")?.textContent).toBe(other);
    close();
  });
});

describe("the app state", () => {
  it("is requested only after the event channel is open", () => {
    const first = order.indexOf("get_app_state");
    expect(order.indexOf("listen")).toBeGreaterThanOrEqual(0);
    expect(order.indexOf("listening")).toBeLessThan(first);
  });
  const status = (waiting: number) => ({ ...appState.app.sync, phase: "idle" as const, waiting });
  it("keeps an event that arrived during the request", async () => {
    heldCommands.add("get_app_state");
    const refresh = appState.refresh();
    await settle();
    const old = { ...appState.app, sync: status(3) };
    listeners.forEach((listener) => listener({ kind: "sync", status: status(7) }));
    held[0]!.release(old);
    await refresh;
    expect(appState.app.sync.waiting).toBe(7);
  });
  it("drops an outdated state", async () => {
    heldCommands.add("get_app_state");
    const first = appState.refresh();
    const second = appState.refresh();
    await settle();
    held[1]!.release({ ...appState.app, sync: status(2) });
    await second;
    held[0]!.release({ ...appState.app, sync: status(1) });
    await first;
    expect(appState.app.sync.waiting).toBe(2);
  });
});

describe("announcements", () => {
  it("repeat equal texts", async () => {
    const { target, close } = show(Announcements as never, {} as never);
    const regions = (): string[] => [...target.querySelectorAll("[data-region]")].map((r) => r.textContent ?? "");
    announcer.announce("Finished");
    await settle();
    const first = regions();
    announcer.announce("Finished");
    await settle();
    expect(first.filter(Boolean)).toEqual(["Finished"]);
    expect(regions()).toEqual([...first].reverse());
    announcer.showToast({ text: "Copied" });
    await settle();
    const shown = target.querySelector(".toast");
    announcer.showToast({ text: "Copied" });
    await settle();
    expect(target.querySelector(".toast")).not.toBe(shown);
    close();
  });
});

describe("single-character shortcuts", () => {
  it("do nothing when switched off, and are not listed", async () => {
    const { target, close } = show(Lesson as never, { route: { name: "read", item: A } } as never);
    await rendered();
    await appState.changeSettings({ keyShortcuts: false });
    for (const key of ["f", "j", "k", "?"]) press(document.body, key);
    await settle();
    expect(finished()).toEqual([]);
    expect(target.ownerDocument.querySelector("dialog[open]")).toBeNull();
    const dialog = show(ShortcutsDialog as never, { onclose: () => undefined } as never);
    expect([...dialog.target.querySelectorAll("kbd")].map((k) => k.textContent)).not.toContain("F");
    dialog.close();
    await appState.changeSettings({ keyShortcuts: true });
    press(document.body, "f");
    await settle();
    expect(finished()).toEqual([A]);
    close();
  });
});

describe("a long list", () => {
  const page = (from: string) => (n: number) =>
    Promise.resolve({ items: [0, 1, 2].map((i) => `${from}${n}.${i}`), total: 30 });
  it("keeps items after a change and refetches only the rendered pages", async () => {
    const fetched: number[] = [];
    let from = "a";
    const list = new Pages<string>(3, (n) => (fetched.push(n), page(from)(n)));
    list.start({ items: ["a1.0", "a1.1", "a1.2"], total: 30 });
    list.ensure(24);
    await settle();
    expect(list.at(24)).toBe("a9.0");
    from = "b";
    list.invalidate({ items: ["b1.0", "b1.1", "b1.2"], total: 29 });
    // Keeps stale items until they are fetched again.
    expect([list.at(0), list.at(24), list.total]).toEqual(["b1.0", "a9.0", 29]);
    list.ensure(24);
    await settle();
    expect(list.at(24)).toBe("b9.0");
    expect(fetched).toEqual([9, 9]);
  });
  it("drops all items and pending replies for a new query", async () => {
    const replies: ((list: { items: string[]; total: number }) => void)[] = [];
    const list = new Pages<string>(3, () => new Promise((resolve) => replies.push(resolve)));
    list.start({ items: ["old"], total: 9 });
    list.ensure(3);
    await settle();
    list.start();
    replies[0]!({ items: ["late"], total: 9 });
    await settle();
    expect(list.at(3)).toBeUndefined();
    list.invalidate();
    replies.at(-1)!({ items: ["new"], total: 1 });
    await settle();
    expect([list.at(0), list.at(3), list.total]).toEqual(["new", undefined, 1]);
  });
});
