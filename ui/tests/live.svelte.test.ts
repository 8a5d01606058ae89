import { beforeEach, describe, expect, it, vi } from "vitest";
import { flushSync } from "svelte";
import { api } from "../src/api/client";
import type { Topic, UiEvent } from "../src/api/types";
import { useTransport } from "../src/platform/transport";
import { reactive } from "./reactive.svelte";
import { settle } from "./support";
import { CommandFailure } from "../src/platform/failure";
import { clearKeptReplies, isEverything, live, Live } from "../src/state/live.svelte";

/** A promise that the test settles. */
function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (cause: unknown) => void } {
  let resolve!: (value: T) => void;
  let reject!: (cause: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => ((resolve = onResolve), (reject = onReject)));
  return { promise, resolve, reject };
}

describe("a topic", () => {
  it("covers all courses only without an id", () => {
    expect(isEverything({ topic: "progress", root: "" })).toBe(true);
    expect(isEverything({ topic: "enrolment", course: "" })).toBe(true);
    expect(isEverything({ topic: "progress", root: "rivers" })).toBe(false);
    expect(isEverything({ topic: "enrolment", course: "rivers" })).toBe(false);
    expect(isEverything({ topic: "words" })).toBe(false);
  });
});

describe("a query", () => {
  const changed = (topic: Topic["topic"], id = ""): Topic => ({ topic, root: id, course: id });
  it("is stale only after a change of one of its topics", () => {
    expect(api.listWords.isStale({ topic: "words" }, {})).toBe(true);
    expect(api.listWords.isStale({ topic: "receipts" }, {})).toBe(false);
    expect(api.listCourses.isStale(changed("progress", "rivers"), { onDevice: false })).toBe(true);
  });
  it("about one course or item is stale only after a change under its root", () => {
    const rivers = { course: "rivers" };
    expect(api.getCourse.isStale(changed("progress", "rivers"), rivers)).toBe(true);
    expect(api.getCourse.isStale(changed("enrolment", "rivers"), rivers)).toBe(true);
    expect(api.getCourse.isStale(changed("enrolment", "river"), rivers)).toBe(false);
    expect(api.openSection.isStale(changed("progress", "rivers"), { item: "rivers/deltas/read" })).toBe(true);
    expect(api.openSection.isStale(changed("progress", "riversides"), { item: "rivers/deltas/read" })).toBe(false);
    expect(api.openQuiz.isStale(changed("progress", "rivers"), { quiz: "rivers/quiz", body: "b" })).toBe(true);
  });
  it("is stale after a change without an id", () => {
    expect(api.getCourse.isStale(changed("progress"), { course: "rivers" })).toBe(true);
    expect(api.openSection.isStale(changed("progress"), { item: "rivers/deltas/read" })).toBe(true);
  });
  it("is run again by a component when its reply is stale", async () => {
    let deliver: (event: UiEvent) => void = () => undefined;
    const calls: unknown[] = [];
    useTransport({
      call: (name, request) => (calls.push([name, request]), Promise.resolve({ course: calls.length })),
      listen: (listener) => ((deliver = listener), { ready: Promise.resolve(), stop: () => undefined }),
    });
    const props = reactive<{ course: string | undefined }>({ course: "rivers" });
    let store: Live<unknown> | undefined;
    const stop = $effect.root(() => {
      store = live(api.getCourse, () => (props.course ? { course: props.course } : undefined));
    });
    flushSync();
    await settle();
    expect(calls).toEqual([["get_course", { course: "rivers" }]]);
    deliver({ kind: "changed", topics: [changed("progress", "ink"), { topic: "words" }] });
    await settle();
    expect(calls).toHaveLength(1);
    deliver({ kind: "changed", topics: [{ topic: "words" }, changed("progress", "rivers")] });
    await settle();
    expect(calls).toHaveLength(2);
    props.course = "ink";
    flushSync();
    await settle();
    expect(calls[2]).toEqual(["get_course", { course: "ink" }]);
    props.course = undefined;
    flushSync();
    await settle();
    deliver({ kind: "changed", topics: [changed("progress")] });
    await settle();
    expect(calls).toHaveLength(3);
    expect(store?.value).toBeUndefined();
    stop();
  });
});

describe("live data", () => {
  beforeEach(() => {
    clearKeptReplies();
    vi.useRealTimers();
  });
  it("drops the reply to an outdated request", async () => {
    const store = new Live<string>();
    const slow = deferred<string>();
    const quick = deferred<string>();
    const first = store.request("q a", () => slow.promise);
    const second = store.request("q ab", () => quick.promise);
    quick.resolve("ab");
    await second;
    slow.resolve("a");
    await first;
    expect(store.value).toBe("ab");
    expect(store.loading).toBe(false);
  });
  it("drops the error of an outdated request", async () => {
    const store = new Live<string>();
    const slow = deferred<string>();
    const first = store.request("x", () => slow.promise);
    await store.request("y", () => Promise.resolve("y"));
    slow.reject(new Error("outdated"));
    await first;
    expect(store.error).toBeUndefined();
    expect(store.value).toBe("y");
  });
  it("keeps the value during a reload, and if the reload fails", async () => {
    const store = new Live<string>();
    await store.request("x", () => Promise.resolve("old"));
    const again = deferred<string>();
    const request = store.request("x", () => again.promise);
    expect(store.value).toBe("old");
    again.reject({ code: "offline", message: "", hint: "", retryable: true, correlationId: "" });
    await request;
    expect(store.value).toBe("old");
    expect(store.error).toBeInstanceOf(CommandFailure);
    expect(store.error?.code).toBe("offline");
  });
  it("shows a kept reply while it loads", async () => {
    await new Live<string>().request("course a", () => Promise.resolve("a"));
    const store = new Live<string>();
    void store.request("course a", () => deferred<string>().promise);
    expect(store.value).toBe("a");
  });
  it("clears kept replies when another learner signs in", async () => {
    await new Live<string>().request("course a", () => Promise.resolve("a"));
    clearKeptReplies();
    const store = new Live<string>();
    void store.request("course a", () => deferred<string>().promise);
    expect(store.value).toBeUndefined();
  });
  it("does not replace an optimistic value with the reply to an older request", async () => {
    const store = new Live<string>();
    await store.request("x", () => Promise.resolve("before"));
    const old = deferred<string>();
    const request = store.request("x", () => old.promise);
    store.put("optimistic");
    old.resolve("before");
    await request;
    expect(store.value).toBe("optimistic");
  });
  it("is slow after 200 ms of loading", async () => {
    vi.useFakeTimers();
    const store = new Live<string>();
    const reply = deferred<string>();
    const request = store.request("x", () => reply.promise);
    vi.advanceTimersByTime(199);
    expect(store.slow).toBe(false);
    vi.advanceTimersByTime(1);
    expect(store.slow).toBe(true);
    reply.resolve("x");
    await request;
    expect(store.slow).toBe(false);
  });
});
