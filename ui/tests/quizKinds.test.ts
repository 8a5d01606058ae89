import { flushSync } from "svelte";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { AttemptView, Question, Quiz, Response } from "../src/api/types";
import { gapResponse, gapText, isAnswered, regionAt } from "../src/components/quiz/answers";
import Countdown from "../src/components/quiz/Countdown.svelte";
import Hotspot from "../src/components/quiz/Hotspot.svelte";
import { marksOf, rightAnswer, shownNumber } from "../src/components/quiz/marks";
import QuizBox from "../src/components/quiz/QuizBox.svelte";
import { countdown, plainNumber } from "../src/i18n/format";
import { setLanguage } from "../src/i18n/index.svelte";
import { kinds, kindsResult } from "../src/platform/fixture/quizKinds";
import { appState } from "../src/state/appState.svelte";
import { reactive } from "./reactive.svelte";
import { byRole, click, press, rendered, scriptPlatform, settle, show, text, type } from "./support";

const platform = scriptPlatform();
beforeAll(async () => {
  await setLanguage("en");
  await appState.load();
});
beforeEach(() => platform.reset());

interface Saved {
  attempt: string;
  question: string;
  response: Response;
  hints?: number;
}
const saved = (): Saved[] => platform.requests("save_answer") as Saved[];

/** Opens a quiz with these questions, and starts an attempt. */
async function start(questions: Question[], change: Partial<AttemptView> = {}, assessment = false) {
  const quiz: Quiz = { ...kinds, questions };
  const attempt: AttemptView = {
    id: "t",
    quiz,
    isEarlierVersion: false,
    startedMs: 1,
    submittedMs: null,
    leftMs: null,
    mayReview: true,
    answers: [],
    score: null,
    provisional: true,
    counts: true,
    ...change,
  };
  const view = {
    quiz,
    questionCount: questions.length,
    attempts: [] as AttemptView[],
    open: null,
    best: null,
    attemptsLeft: 3,
  };
  platform.replies["open_quiz"] = () => view;
  platform.replies["start_attempt"] = () => attempt;
  platform.replies["save_answer"] = () => {
    const { question, response } = saved().at(-1)!;
    return kindsResult(
      questions.find((q) => q.id === question)!,
      response,
    );
  };
  platform.replies["submit_attempt"] = () => {
    const score = { points: 0, maxPoints: 1000, passed: false, questions: [] };
    view.attempts = [{ ...attempt, submittedMs: 2, leftMs: null, score }];
    return view.attempts[0];
  };
  const shown = show(QuizBox as never, { quiz: "c/q", body: "b".repeat(64), title: "Q", assessment } as never);
  await rendered();
  await click(button(shown.target, "Start"));
  return shown;
}
/** Finds elements without computing names, which takes seconds for a whole quiz. */
const button = (target: Element, name: string): HTMLElement =>
  [...target.querySelectorAll("button")].find((one) => text(one) === name)!;
const numberField = (target: Element): HTMLInputElement => target.querySelector(".number input")!;
const [speed, sand, place] = kinds.questions as [Question, Question, Question];

describe("a number", () => {
  it("with two readings is asked for, and graded after the choice", async () => {
    const { target, close } = await start([speed]);
    const field = numberField(target);
    expect(field.labels?.[0]?.textContent).toBe("Your number with its unit");
    type(field, "10,000 m/s");
    await click(button(target, "Check"));
    expect(text(target.querySelector("[role=alert]")!)).toContain("Which one do you mean?");
    expect(field.disabled).toBe(false);
    expect(target.querySelector("[data-result]")).toBeNull();
    await click(button(target, "10"));
    await click(button(target, "Check"));
    expect(saved().at(-1)!.response).toEqual({ kind: "number", text: "10,000 m/s", lang: "en-US", decimal: "comma" });
    expect(text(target.querySelector("[data-result]")!)).toContain("Correct");
    close();
  });
  it("is checked by Enter, and a missing unit is not an error of the answer", async () => {
    const { target, close } = await start([speed]);
    const field = numberField(target);
    type(field, "10");
    press(field, "Enter");
    await rendered();
    expect(text(target.querySelector("[role=alert]")!)).toBe("The unit is missing. Write it after the number.");
    type(field, "10 m/s");
    expect(target.querySelector("[role=alert]")).toBeNull();
    press(field, "Enter");
    await rendered();
    expect(text(target.querySelector("[data-result]")!)).toContain("Correct");
    close();
  });
  it("is asked for once in a test, so that the learner can go on", async () => {
    const { target, close } = await start([speed, place], {}, true);
    type(numberField(target), "10");
    await click(button(target, "Next question"));
    expect(text(target)).toContain("Question 1 of 2");
    await click(button(target, "Next question"));
    expect(text(target)).toContain("Question 2 of 2");
    close();
  });
  it("is shown with its unit and range", () => {
    expect(
      shownNumber([
        { value: "1", percent: 50 },
        { value: "1200.5", unit: "m" },
      ]),
    ).toBe("1,200.5 m");
    expect(shownNumber([{ value: "1", to: "2" }])).toBe("1 – 2");
    expect(plainNumber("6.02e23")).toBe("6.02·10^23");
    expect(plainNumber("0.1")).toBe("0.1");
  });
});

describe("hints", () => {
  it("are shown one after the other, and their number is saved", async () => {
    const { target, close } = await start([speed]);
    expect(text(target)).toContain("Costs 25% of the points");
    await click(button(target, "Show a hint (1 of 2)"));
    expect(text(target)).toContain("3,600 seconds");
    expect(saved().at(-1)).toMatchObject({ question: "speed", hints: 1 });
    await click(button(target, "Show a hint (2 of 2)"));
    expect([...target.querySelectorAll("button")].some((b) => text(b).startsWith("Show a hint"))).toBe(false);
    type(numberField(target), "10 m/s");
    await click(button(target, "Check"));
    expect(saved().at(-1)).toMatchObject({ hints: 2 });
    close();
  });
  it("that were seen before are shown again when the attempt is continued, and do not count as an answer", async () => {
    const empty: Response = { kind: "number", text: "", lang: "en" };
    const { target, close } = await start([speed, place], {
      answers: [{ question: "speed", response: empty, hints: 1 }],
    });
    expect(text(target)).toContain("Question 1 of 2");
    expect(text(target)).toContain("3,600 seconds");
    close();
  });
});

describe("a cloze text", () => {
  it("has lists and fields in the sentence, and a mark and feedback for each gap", async () => {
    const { target, close } = await start([sand]);
    const list = target.querySelector<HTMLSelectElement>("select.gap")!;
    expect([...list.options].map((o) => o.text)).toEqual(["–", "inside", "outside"]);
    list.value = "in";
    list.dispatchEvent(new Event("input", { bubbles: true }));
    const [word, count] = target.querySelectorAll<HTMLInputElement>("input.gap");
    type(word!, "gravle");
    type(count!, "21");
    press(count!, "Enter");
    await rendered();
    expect(saved()[0]!.response).toEqual({
      kind: "cloze",
      gaps: [
        { kind: "choice", chosen: ["in"] },
        { kind: "fill", texts: ["gravle"] },
        { kind: "number", text: "21", lang: "en-US" },
      ],
    });
    const marks = text(target.querySelector("ul.gaps")!);
    expect(marks).toContain("inside Correct");
    expect(marks).toContain("gravle Nearly: look at the spelling");
    expect(marks).toContain("21 Wrong");
    close();
  });
  it("keeps the responses of its gaps", () => {
    if (sand.kind !== "cloze") throw new Error("no cloze");
    const [choose, word, count] = sand.gaps;
    for (const [gap, value] of [
      [choose!, "in"],
      [word!, "ship"],
      [count!, "1,5"],
    ] as const) {
      expect(gapText(gapResponse(gap, value, "fr"))).toBe(value);
      expect(gapResponse(gap, " ", "fr")).toBeNull();
    }
    expect(isAnswered(sand, { kind: "cloze", gaps: [null, null, null] })).toBe(false);
    expect(isAnswered(sand, { kind: "cloze", gaps: [null, { kind: "fill", texts: ["x"] }, null] })).toBe(true);
    expect(rightAnswer(sand)).toEqual(["inside", "gravel", "20"]);
  });
});

describe("regions of a picture", () => {
  function open(right = ["a"]) {
    if (place.kind !== "hotspot" || !place.image) throw new Error("no hotspot");
    const props = reactive({
      image: place.image,
      regions: place.regions.map((region) => ({ ...region, correct: right.includes(region.id) })),
      chosen: [] as string[],
      name: "n",
      locked: false,
      lang: "en",
      dir: "ltr",
      onchange: (chosen: string[]) => void (props.chosen = chosen),
    });
    const { target } = show(Hotspot as never, props as never);
    const area = byRole(target, "button", "Picture: choose a place");
    const enter = (): void => {
      area.dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 0 }));
      flushSync();
    };
    return { props, target, area, enter };
  }
  it("are found with the arrow keys and chosen by Enter", async () => {
    const { props, area, enter } = open();
    area.focus();
    flushSync();
    // From the middle of the picture, in steps of 2 and 10 percent.
    for (let i = 0; i < 15; i++) press(area, "ArrowLeft");
    for (let i = 0; i < 10; i++) press(area, "ArrowUp");
    enter();
    await settle();
    expect(props.chosen).toEqual(["a"]);
    area.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", shiftKey: true, bubbles: true }));
    for (let i = 0; i < 20; i++) press(area, "ArrowLeft");
    enter();
    expect(props.chosen).toEqual(["a"]);
  });
  it("are chosen by one touch of the picture or of the list", async () => {
    const { props, target, area } = open();
    area.getBoundingClientRect = () => ({ left: 100, top: 50, width: 400, height: 200 }) as DOMRect;
    area.dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 1, clientX: 350, clientY: 150 }));
    await settle();
    expect(props.chosen).toEqual(["b"]);
    await click(byRole(target, "radio", "Outer bank"));
    expect(props.chosen).toEqual(["a"]);
  });
  it("are several if several are right", async () => {
    const { props, target } = open(["a", "b"]);
    await click(byRole(target, "checkbox", "Outer bank"));
    await click(byRole(target, "checkbox", "Inner bank"));
    expect(props.chosen).toEqual(["a", "b"]);
  });
  it("have the outline of their shape, and the smaller of two is meant", () => {
    if (place.kind !== "hotspot") throw new Error("no hotspot");
    expect(regionAt(place.regions, 80, 100)?.id).toBe("a");
    expect(regionAt(place.regions, 505, 405)).toBeUndefined();
    expect(regionAt(place.regions, 625, 550)?.id).toBe("b");
    const inner = { ...place.regions[0]!, id: "c", width: 50, height: 50 };
    expect(regionAt([...place.regions, inner], 90, 110)?.id).toBe("c");
  });
  it("are marked", () => {
    const result = { points: 0, maxPoints: 1000 };
    expect(marksOf(place, { kind: "choice", chosen: ["b"] }, result)).toEqual(["missed", "wrong"]);
    expect(rightAnswer(place)).toEqual(["Outer bank"]);
  });
});

describe("the time left", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is shown as minutes and seconds", () => {
    expect([0, 999, 59_000, 61_000, 3_849_000].map(countdown)).toEqual(["0:00", "0:01", "0:59", "1:01", "1:04:09"]);
  });
  it("counts down, saves shortly before the end, and ends once", () => {
    const events: string[] = [];
    const props = { leftMs: 10_000, onending: () => events.push("ending"), onover: () => events.push("over") };
    const { target, close } = show(Countdown as never, props as never);
    expect(text(byRole(target, "timer"))).toBe("Time left 0:10");
    vi.advanceTimersByTime(7_000);
    flushSync();
    expect([text(byRole(target, "timer")), events]).toEqual(["Time left 0:03", []]);
    vi.advanceTimersByTime(1_500);
    expect(events).toEqual(["ending"]);
    vi.advanceTimersByTime(60_000);
    expect(events).toEqual(["ending", "over"]);
    close();
  });
});

describe("a test with a time limit", () => {
  it("is submitted when the time is over, and shows no answers before the grade", async () => {
    const { target, close } = await start([speed], { leftMs: 600, mayReview: false }, true);
    type(numberField(target), "3 m/s");
    await vi.waitFor(() => expect(platform.requests("submit_attempt")).toEqual([{ attempt: "t" }]), 3_000);
    await rendered();
    expect(saved().at(-1)!.response).toMatchObject({ text: "3 m/s" });
    expect(text(target)).toContain("Your answers will be shown when the school has graded the attempt.");
    expect(target.querySelector("details")).toBeNull();
    close();
  });
});

describe("a question of a later release", () => {
  it("says so, and the others can be answered", async () => {
    const unknown: Question = { id: "u", prompt: "Draw it.", points: 1, explanation: "", kind: "unknown" };
    const { target, close } = await start([unknown, speed]);
    expect(text(target)).toContain("This kind of question needs a newer version of the app.");
    await click(button(target, "Next question"));
    expect(numberField(target)).toBeTruthy();
    close();
  });
});
