import { flushSync } from "svelte";
import { beforeAll, describe, expect, it } from "vitest";
import { setLanguage } from "../src/i18n/index.svelte";
import { emptyAnswer, isAnswered, paired, moveItem, initialOrder } from "../src/components/quiz/answers";
import Match from "../src/components/quiz/Match.svelte";
import Order from "../src/components/quiz/Order.svelte";
import Fill from "../src/components/quiz/Fill.svelte";
import QuizBox from "../src/components/quiz/QuizBox.svelte";
import Result from "../src/components/quiz/Result.svelte";
import type { AttemptView, Question, Quiz } from "../src/api/types";
import { reactive } from "./reactive.svelte";
import { allByRole, rendered, press, scriptPlatform, settle, show, text } from "./support";

const platform = scriptPlatform();
beforeAll(() => setLanguage("en"));

describe("answers", () => {
  it("an initial order is never right, and is the same for the same attempt", () => {
    for (let n = 2; n < 8; n++) {
      for (let k = 0; k < 40; k++) {
        const order = initialOrder(n, `attempt ${k}`);
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
        expect(order.every((x, i) => x === i)).toBe(false);
        expect(initialOrder(n, `attempt ${k}`)).toEqual(order);
      }
    }
  });
  it("a move keeps every item and stays within the list", () => {
    expect(moveItem(["a", "b", "c", "d"], 0, 2)).toEqual(["b", "c", "a", "d"]);
    expect(moveItem(["a", "b", "c"], 2, -5)).toEqual(["c", "a", "b"]);
    expect(moveItem(["a", "b", "c"], 0, 99)).toEqual(["b", "c", "a"]);
  });
  it("a right item is paired with one left item only", () => {
    expect(paired([1, null, 0], 1, 1)).toEqual([null, 1, 0]);
    expect(paired([1, null, 0], 0, null)).toEqual([null, null, 0]);
  });
  it("an initial answer does not count as answered", () => {
    const base = { id: "q", prompt: "", points: 1, explanation: "" };
    const fill: Question = { ...base, kind: "fill", blanks: [["a"], ["b"]], exact: false };
    expect(isAnswered(fill, emptyAnswer(fill, "k"))).toBe(false);
    expect(isAnswered(fill, { kind: "fill", texts: ["", " x "] })).toBe(true);
    const match: Question = { ...base, kind: "match", pairs: [["a", "b"]] };
    expect(isAnswered(match, emptyAnswer(match, "k"))).toBe(false);
  });
});

describe("the result of an attempt", () => {
  const quiz: Quiz = {
    id: "q",
    title: "Q",
    lang: "en",
    dir: "ltr",
    attempts: 1,
    pass: 60,
    shuffle: false,
    questions: [],
  };
  const attempt: AttemptView = {
    id: "t",
    quiz,
    isEarlierVersion: false,
    startedMs: 1,
    submittedMs: 2,
    leftMs: null,
    mayReview: true,
    answers: [],
    provisional: true,
    counts: true,
    score: { points: 1000, maxPoints: 2000, passed: false, questions: [] },
  };
  it("shows whether it counts, is provisional or confirmed", () => {
    const statusOf = (change: Partial<AttemptView>): string => {
      const { target, close } = show(Result as never, { quiz, attempt: { ...attempt, ...change } } as never);
      const text = target.querySelector("[role=status]")?.textContent ?? "";
      close();
      return text;
    };
    expect(statusOf({})).toContain("confirms the result after the next sync");
    expect(statusOf({ provisional: false })).toContain("Confirmed by the school");
    for (const provisional of [true, false]) {
      const text = statusOf({ counts: false, provisional });
      expect(text).toContain("Does not count: all attempts were used.");
      expect(text).not.toMatch(/confirm/i);
    }
  });
});

describe("the result of an attempt at another version of a quiz", () => {
  const quiz = { id: "q", title: "Q", lang: "en", dir: "ltr", attempts: 1, pass: 60, shuffle: false, questions: [] };
  it.each([
    [true, "Passed"],
    [false, "Not passed yet"],
    [null, "Passed or not: not known yet"],
  ])("passed %s", (passed, shown) => {
    const attempt = {
      id: "t",
      quiz: null,
      isEarlierVersion: true,
      startedMs: 1,
      submittedMs: 2,
      leftMs: null,
      mayReview: true,
      answers: [],
      provisional: false,
      counts: true,
      score: { points: 1000, maxPoints: 1000, passed, questions: [] },
    };
    const { target, close } = show(Result as never, { quiz, attempt } as never);
    expect(text(target.querySelector("h2")!)).toBe(shown);
    // The questions of the current version are not those of the answers.
    expect(target.querySelector("details")).toBeNull();
    close();
  });
});

describe("a quiz with limited attempts", () => {
  const quiz: Quiz = {
    id: "q",
    title: "Q",
    lang: "en",
    dir: "ltr",
    attempts: 3,
    pass: 60,
    shuffle: false,
    questions: [],
  };
  it.each([
    { attemptsLeft: 2, shown: "2 attempts left", buttons: ["Start"] },
    { attemptsLeft: 1, shown: "1 attempt left", buttons: ["Start"] },
    { attemptsLeft: 0, shown: "No attempts left. Your best result counts.", buttons: [] },
  ])("shows '$shown'", async ({ attemptsLeft, shown, buttons }) => {
    platform.replies["open_quiz"] = () => ({ quiz, attempts: [], open: null, best: null, attemptsLeft });
    const props = { quiz: `q${attemptsLeft}`, body: "b".repeat(64), title: "Q" };
    const { target, close } = show(QuizBox as never, props as never);
    await rendered();
    expect(text(target)).toContain(shown);
    expect(text(target)).not.toContain("0 attempts");
    expect(allByRole(target, "button").map((button) => text(button))).toEqual(buttons);
    close();
  });
  it("is continued at the version at which the attempt was started", async () => {
    const question = { id: "o", prompt: "Older question", points: 1, explanation: "", kind: "single", choices: [] };
    const started = {
      id: "t",
      quiz: { ...quiz, questions: [question] },
      isEarlierVersion: true,
      startedMs: 1,
      submittedMs: null,
      leftMs: null,
      mayReview: true,
      answers: [],
      provisional: false,
      counts: true,
      score: null,
    };
    platform.replies["open_quiz"] = () => ({ quiz, attempts: [started], open: "t", best: null, attemptsLeft: 1 });
    platform.replies["start_attempt"] = () => started;
    const { target, close } = show(QuizBox as never, { quiz: "earlier", body: "b".repeat(64), title: "Q" } as never);
    await rendered();
    target.querySelector("button")!.click();
    await rendered();
    expect(text(target)).toContain("Older question");
    expect(text(target)).toContain("This quiz has changed since you started.");
    close();
  });
});

describe("ordering by keyboard", () => {
  function open() {
    const props = reactive({
      items: ["one", "two", "three"],
      order: [2, 0, 1],
      locked: false,
      lang: "en",
      dir: "ltr",
      onchange: (order: number[]) => void (props.order = order),
    });
    const { target } = show(Order as never, props as never);
    return { props, target, handle: (i: number) => target.querySelectorAll<HTMLElement>(".handle")[i]! };
  }
  it("Space picks up, arrows move, Space drops; focus stays on the item", async () => {
    const { props, handle } = open();
    handle(0).focus();
    press(handle(0), " ");
    expect(handle(0).getAttribute("aria-pressed")).toBe("true");
    press(handle(0), "ArrowDown");
    await settle();
    expect(props.order).toEqual([0, 2, 1]);
    expect(document.activeElement?.textContent).toContain("three");
    press(document.activeElement!, "ArrowDown");
    await settle();
    expect(props.order).toEqual([0, 1, 2]);
    press(document.activeElement!, " ");
    expect(document.activeElement?.getAttribute("aria-pressed")).toBe("false");
    expect(document.querySelector("[aria-live=assertive]")?.textContent).toContain("position 3 of 3");
  });
  it("Escape reverts the whole move", async () => {
    const { props, handle } = open();
    press(handle(1), " ");
    press(handle(1), "ArrowUp");
    await settle();
    press(document.activeElement!, "Escape");
    expect(props.order).toEqual([2, 0, 1]);
  });
  it("arrows without a picked-up item move only the focus", async () => {
    const { props, handle } = open();
    handle(0).focus();
    press(handle(0), "ArrowDown");
    await settle();
    expect(document.activeElement).toBe(handle(1));
    expect(props.order).toEqual([2, 0, 1]);
  });
  it("does not move an item before the start, or when locked", async () => {
    const { props, handle } = open();
    press(handle(0), " ");
    press(handle(0), "ArrowUp");
    await settle();
    expect(props.order).toEqual([2, 0, 1]);
    props.locked = true;
    flushSync();
    press(handle(0), "ArrowDown");
    expect(props.order).toEqual([2, 0, 1]);
  });
});

describe("matching by keyboard", () => {
  it("a letter selects the partner and focuses the next unmatched item", async () => {
    const props = reactive({
      pairs: [
        ["l0", "r0"],
        ["l1", "r1"],
        ["l2", "r2"],
      ] as [string, string][],
      right: [null, null, null] as (number | null)[],
      seed: "s",
      locked: false,
      lang: "en",
      dir: "ltr",
      onchange: (right: (number | null)[]) => void (props.right = right),
    });
    const { target } = show(Match as never, props as never);
    const left = target.querySelectorAll<HTMLElement>(".left");
    const shown = initialOrder(3, "s");
    left[0]!.focus();
    press(left[0]!, "b");
    await settle();
    expect(props.right).toEqual([shown[1], null, null]);
    expect(document.activeElement).toBe(left[1]);
    press(left[1]!, "B");
    await settle();
    // The partner was removed from the first item.
    expect(props.right).toEqual([null, shown[1], null]);
    press(left[1]!, "Delete");
    await settle();
    expect(props.right).toEqual([null, null, null]);
    expect(left[0]!.textContent).toContain("not matched yet");
  });
});

describe("gaps", () => {
  it("are fields inside the sentence, each with a name", async () => {
    const props = reactive({
      prompt: 'An <span data-blank="0"></span> lake and a <span data-blank="1"></span>.',
      texts: ["", ""],
      blanks: [["oxbow"], ["delta"]],
      locked: false,
      lang: "en",
      dir: "ltr",
      onchange: (texts: string[]) => void (props.texts = texts),
    });
    const { target } = show(Fill as never, props as never);
    const fields = target.querySelectorAll<HTMLInputElement>("input");
    expect(fields.length).toBe(2);
    expect(fields[1]!.getAttribute("aria-label")).toBe("Gap 2");
    fields[0]!.value = "oxbow";
    fields[0]!.dispatchEvent(new Event("input", { bubbles: true }));
    await settle();
    expect(props.texts).toEqual(["oxbow", ""]);
    expect(target.querySelectorAll("input")[0]).toBe(fields[0]);
  });
});
