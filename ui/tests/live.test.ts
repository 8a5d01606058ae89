import { beforeEach, describe, expect, it, vi } from "vitest";
import { CommandFailure } from "../src/lib/platform/failure";
import { forgetKept, isEverything, Live } from "../src/lib/live.svelte";

function later<T>(): { promise: Promise<T>; give: (value: T) => void; refuse: (cause: unknown) => void } {
  let give!: (value: T) => void;
  let refuse!: (cause: unknown) => void;
  const promise = new Promise<T>((resolve, reject) => ((give = resolve), (refuse = reject)));
  return { promise, give, refuse };
}

describe("topics", () => {
  it("stand for all courses only without an id", () => {
    expect(isEverything({ topic: "progress", root: "" })).toBe(true);
    expect(isEverything({ topic: "enrolment", course: "" })).toBe(true);
    expect(isEverything({ topic: "progress", root: "rivers" })).toBe(false);
    expect(isEverything({ topic: "enrolment", course: "rivers" })).toBe(false);
    expect(isEverything({ topic: "words" })).toBe(false);
  });
});

describe("live data", () => {
  beforeEach(() => {
    forgetKept();
    vi.useRealTimers();
  });
  it("drops an answer that a later question overtook", async () => {
    const live = new Live<string>();
    const slow = later<string>();
    const quick = later<string>();
    const first = live.ask("q a", () => slow.promise);
    const second = live.ask("q ab", () => quick.promise);
    quick.give("ab");
    await second;
    slow.give("a");
    await first;
    expect(live.value).toBe("ab");
    expect(live.loading).toBe(false);
  });
  it("drops a late failure as well", async () => {
    const live = new Live<string>();
    const slow = later<string>();
    const first = live.ask("x", () => slow.promise);
    await live.ask("y", () => Promise.resolve("y"));
    slow.refuse(new Error("too late"));
    await first;
    expect(live.error).toBeUndefined();
    expect(live.value).toBe("y");
  });
  it("keeps what is shown while it asks again, and when that fails", async () => {
    const live = new Live<string>();
    await live.ask("x", () => Promise.resolve("old"));
    const again = later<string>();
    const asking = live.ask("x", () => again.promise);
    expect(live.value).toBe("old");
    again.refuse({ code: "offline", message: "", hint: "", retryable: true, correlationId: "" });
    await asking;
    expect(live.value).toBe("old");
    expect(live.error).toBeInstanceOf(CommandFailure);
    expect(live.error?.code).toBe("offline");
  });
  it("shows a page that was open before at once", async () => {
    await new Live<string>().ask("course a", () => Promise.resolve("a"));
    const live = new Live<string>();
    void live.ask("course a", () => later<string>().promise);
    expect(live.value).toBe("a");
  });
  it("forgets everything when another learner opens the app", async () => {
    await new Live<string>().ask("course a", () => Promise.resolve("a"));
    forgetKept();
    const live = new Live<string>();
    void live.ask("course a", () => later<string>().promise);
    expect(live.value).toBeUndefined();
  });
  it("an optimistic value is not undone by an answer to an older question", async () => {
    const live = new Live<string>();
    await live.ask("x", () => Promise.resolve("before"));
    const old = later<string>();
    const asking = live.ask("x", () => old.promise);
    live.put("hoped");
    old.give("before");
    await asking;
    expect(live.value).toBe("hoped");
  });
  it("is slow only after 200 ms of waiting", async () => {
    vi.useFakeTimers();
    const live = new Live<string>();
    const answer = later<string>();
    const asking = live.ask("x", () => answer.promise);
    vi.advanceTimersByTime(199);
    expect(live.slow).toBe(false);
    vi.advanceTimersByTime(1);
    expect(live.slow).toBe(true);
    answer.give("x");
    await asking;
    expect(live.slow).toBe(false);
  });
});
