import { beforeEach, describe, expect, it, vi } from "vitest";
import { flushSync } from "svelte";
import { api } from "../src/api/client";
import type { Topic, UiEvent } from "../src/api/types";
import { useTransport } from "../src/platform/transport";
import { reactive } from "./reactive.svelte";
import { settle } from "./support";
import { CommandFailure } from "../src/platform/failure";
import { clearKeptReplies, isEverything, live, Live } from "../src/state/live.svelte";

function later<T>(): { promise: Promise<T>; give: (value: T) => void; refuse: (cause: unknown) => void } {
  let give!: (value: T) => void;
  let refuse!: (cause: unknown) => void;
  const promise = new Promise<T>((resolve, reject) => ((give = resolve), (refuse = reject)));
  return { promise, give, refuse };
}

describe("topics", () => {
  it("mean all courses only without an id", () => {
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
  it("is repeated by a component when its reply is stale", async () => {
    let deliver: (event: UiEvent) => void = () => undefined;
    const asked: unknown[] = [];
    useTransport({
      call: (name, request) => (asked.push([name, request]), Promise.resolve({ course: asked.length })),
      listen: (hear) => ((deliver = hear), { ready: Promise.resolve(), stop: () => undefined }),
    });
    const props = reactive<{ course: string | undefined }>({ course: "rivers" });
    let store: Live<unknown> | undefined;
    const stop = $effect.root(() => {
      store = live(api.getCourse, () => (props.course ? { course: props.course } : undefined));
    });
    flushSync();
    await settle();
    expect(asked).toEqual([["get_course", { course: "rivers" }]]);
    deliver({ kind: "changed", topics: [changed("progress", "ink"), { topic: "words" }] });
    await settle();
    expect(asked).toHaveLength(1);
    deliver({ kind: "changed", topics: [{ topic: "words" }, changed("progress", "rivers")] });
    await settle();
    expect(asked).toHaveLength(2);
    props.course = "ink";
    flushSync();
    await settle();
    expect(asked[2]).toEqual(["get_course", { course: "ink" }]);
    props.course = undefined;
    flushSync();
    await settle();
    deliver({ kind: "changed", topics: [changed("progress")] });
    await settle();
    expect(asked).toHaveLength(3);
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
    const slow = later<string>();
    const quick = later<string>();
    const first = store.request("q a", () => slow.promise);
    const second = store.request("q ab", () => quick.promise);
    quick.give("ab");
    await second;
    slow.give("a");
    await first;
    expect(store.value).toBe("ab");
    expect(store.loading).toBe(false);
  });
  it("drops a late failure as well", async () => {
    const store = new Live<string>();
    const slow = later<string>();
    const first = store.request("x", () => slow.promise);
    await store.request("y", () => Promise.resolve("y"));
    slow.refuse(new Error("too late"));
    await first;
    expect(store.error).toBeUndefined();
    expect(store.value).toBe("y");
  });
  it("keeps the value during a reload, and when it fails", async () => {
    const store = new Live<string>();
    await store.request("x", () => Promise.resolve("old"));
    const again = later<string>();
    const asking = store.request("x", () => again.promise);
    expect(store.value).toBe("old");
    again.refuse({ code: "offline", message: "", hint: "", retryable: true, correlationId: "" });
    await asking;
    expect(store.value).toBe("old");
    expect(store.error).toBeInstanceOf(CommandFailure);
    expect(store.error?.code).toBe("offline");
  });
  it("shows a kept reply at once", async () => {
    await new Live<string>().request("course a", () => Promise.resolve("a"));
    const store = new Live<string>();
    void store.request("course a", () => later<string>().promise);
    expect(store.value).toBe("a");
  });
  it("clears kept replies when another learner signs in", async () => {
    await new Live<string>().request("course a", () => Promise.resolve("a"));
    clearKeptReplies();
    const store = new Live<string>();
    void store.request("course a", () => later<string>().promise);
    expect(store.value).toBeUndefined();
  });
  it("an optimistic value is not replaced by the reply to an older request", async () => {
    const store = new Live<string>();
    await store.request("x", () => Promise.resolve("before"));
    const old = later<string>();
    const asking = store.request("x", () => old.promise);
    store.put("hoped");
    old.give("before");
    await asking;
    expect(store.value).toBe("hoped");
  });
  it("is slow only after 200 ms of waiting", async () => {
    vi.useFakeTimers();
    const store = new Live<string>();
    const answer = later<string>();
    const asking = store.request("x", () => answer.promise);
    vi.advanceTimersByTime(199);
    expect(store.slow).toBe(false);
    vi.advanceTimersByTime(1);
    expect(store.slow).toBe(true);
    answer.give("x");
    await asking;
    expect(store.slow).toBe(false);
  });
});
