import { computeAccessibleDescription, computeAccessibleName, getRole } from "dom-accessibility-api";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Choice, Question, Quiz, Response, SectionPage } from "../src/api/types";
import QuestionView from "../src/components/quiz/QuestionView.svelte";
import QuizBox from "../src/components/quiz/QuizBox.svelte";
import {
  canonical,
  comparable,
  marksOf,
  rightAnswer,
  type Mark,
  type QuestionPoints,
} from "../src/components/quiz/marks";
import Lesson from "../src/features/lesson/Lesson.svelte";
import { fixture } from "../src/platform/fixture";
import { points } from "../src/i18n/format";
import { setLanguage } from "../src/i18n/index.svelte";
import { announcer } from "../src/state/announce.svelte";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { click, rendered, scriptPlatform, show, text, type } from "./support";

const platform = scriptPlatform();
beforeAll(() => setLanguage("en"));

const base = { prompt: "Prompt", points: 2, explanation: "Because." };
const choice = (id: string, correct: boolean): Choice => ({ id, text: `text ${id}`, correct, feedback: "" });
const choices = [choice("a", true), choice("b", true), choice("c", false), choice("d", false)];
const single: Question = { ...base, id: "single", kind: "single", choices: [choices[0]!, ...choices.slice(2)] };
const multiple: Question = { ...base, id: "multiple", kind: "multiple", choices };
const fill: Question = {
  ...base,
  id: "fill",
  kind: "fill",
  prompt: '<span data-blank="0"></span> and <span data-blank="1"></span>',
  blanks: [["oxbow", "ox-bow"], ["delta"]],
  exact: false,
};
const order: Question = { ...base, id: "order", kind: "order", items: ["one", "two", "three", "four"] };
const match: Question = {
  ...base,
  id: "match",
  kind: "match",
  pairs: [
    ["left 0", "right 0"],
    ["left 1", "right 1"],
    ["left 2", "right 2"],
  ],
};
const chosen = (...ids: string[]): Response => ({ kind: "choice", chosen: ids });
const texts = (...list: string[]): Response => ({ kind: "fill", texts: list });
const ordered = (...list: number[]): Response => ({ kind: "order", order: list });
const paired = (...list: (number | null)[]): Response => ({ kind: "match", right: list });

/** Answers of each kind, with the points of the core in thousandths and the marks. */
const table: [name: string, Question, Response, number, Mark[]][] = [
  ["single, right", single, chosen("a"), 2000, ["right", "open", "open"]],
  ["single, wrong", single, chosen("c"), 0, ["missed", "wrong", "open"]],
  ["multiple, right", multiple, chosen("a", "b"), 2000, ["right", "right", "open", "open"]],
  ["multiple, partly", multiple, chosen("a"), 1000, ["right", "missed", "open", "open"]],
  ["multiple, wrong", multiple, chosen("a", "c"), 0, ["right", "missed", "wrong", "open"]],
  ["fill, right by the core", fill, texts("Ox‐bow", "delta"), 2000, ["right", "right"]],
  ["fill, partly", fill, texts(" OXBOW ", "estuary"), 1000, ["right", "wrong"]],
  ["fill, missed", fill, texts("", "ｄｅｌｔａ"), 1000, ["missed", "right"]],
  ["order, right", order, ordered(0, 1, 2, 3), 2000, ["right", "right", "right", "right"]],
  ["order, partly", order, ordered(2, 3, 0, 1), 1333, ["wrong", "right", "wrong", "right"]],
  ["order, wrong", order, ordered(3, 2, 1, 0), 0, ["wrong", "wrong", "wrong", "wrong"]],
  ["match, right", match, paired(0, 1, 2), 2000, ["right", "right", "right"]],
  ["match, partly", match, paired(0, 2, null), 667, ["right", "wrong", "missed"]],
];
/** Returns what the core says about the answer: points, and for each blank whether it is right. */
const resultOf = (question: Question, points: number, marks: Mark[]): QuestionPoints => ({
  points,
  maxPoints: 2000,
  blanks: question.kind === "fill" ? marks.map((mark) => mark === "right") : [],
});
/** Every element is shown and inline. jsdom takes seconds to compute the real styles of a question. */
const getComputedStyle = (): CSSStyleDeclaration =>
  ({ display: "inline", visibility: "visible", getPropertyValue: () => "" }) as unknown as CSSStyleDeclaration;
const fields = (target: Element): HTMLInputElement[] => [...target.querySelectorAll("input")];
const button = (target: Element, name: string): HTMLElement =>
  [...target.querySelectorAll("button")].find((one) => text(one) === name)!;
/** Returns the name of the group that has focus. */
const focused = (): string => {
  const element = document.activeElement!;
  expect([element.getAttribute("role"), element.hasAttribute("data-result")]).toEqual(["group", true]);
  return computeAccessibleName(element, { getComputedStyle });
};
const WORDS: Record<Mark, string> = {
  right: "Correct",
  wrong: "Wrong",
  missed: "Missed",
  open: "",
  accent: "",
  nearly: "",
  partly: "",
};

function view(question: Question, response: Response, score: number, marks: Mark[] = []) {
  const { target } = show(
    QuestionView as never,
    {
      question,
      response,
      lang: "en",
      dir: "ltr",
      seed: "s",
      shuffle: false,
      locked: true,
      result: resultOf(question, score, marks),
    } as never,
  );
  return target;
}

describe("the marks of an answer", () => {
  it.each(table)("%s", (_, question, response, score, marks) => {
    expect(marksOf(question, response, resultOf(question, score, marks))).toEqual(marks);
  });
  it.each(table)("%s: each has a sign and a word", (_, question, response, score, marks) => {
    const target = view(question, response, score, marks);
    const badges = [...target.querySelectorAll(".badge[data-mark]")];
    const shown = marks.filter((mark) => mark !== "open");
    expect(badges.map((badge) => badge.getAttribute("data-mark"))).toEqual(shown);
    for (const [i, badge] of badges.entries()) {
      expect(badge.querySelector("svg")).not.toBeNull();
      expect(text(badge)).toContain(WORDS[shown[i]!]);
    }
  });
  it("a choice of the learner is named, and a missed one differs from a found one", () => {
    const target = view(multiple, chosen("a", "c"), 0);
    const marks = [...target.querySelectorAll("label.choice")].map((label) => [
      label.getAttribute("data-mark"),
      text(label).replace(/^text \w ?/, ""),
    ]);
    expect(marks).toEqual([
      ["right", "Correct Your choice"],
      ["missed", "Missed"],
      ["wrong", "Wrong Your choice"],
      ["open", ""],
    ]);
  });
});

describe("equal words", () => {
  const words: Question = { ...base, id: "w", kind: "order", items: ["the", "cat", "saw", "<em>the</em>", "dog"] };
  const full = { points: 2000, maxPoints: 2000 };
  const none = { points: 0, maxPoints: 2000 };
  it("are interchangeable in an order", () => {
    const swapped = ordered(3, 1, 2, 0, 4);
    expect(marksOf(words, swapped, none)).toEqual(marksOf(words, ordered(0, 1, 2, 3, 4), full));
    expect(canonical(words, swapped)).toEqual(ordered(0, 1, 2, 3, 4));
    // "the dog saw the cat": the pairs "the dog", "the cat", "saw the" are right ones.
    expect(marksOf(words, ordered(0, 4, 2, 3, 1), none)).toEqual(["right", "right", "wrong", "right", "right"]);
  });
  it("an order with the right pairs at other places is not right", () => {
    const cyclic: Question = { ...base, id: "c", kind: "order", items: ["c", "a", "b", "a", "c"] };
    expect(marksOf(cyclic, ordered(1, 2, 3, 0, 4), none)).not.toEqual(["right", "right", "right", "right", "right"]);
  });
  it("are interchangeable in pairs, on both sides", () => {
    const pairs: Question = {
      ...base,
      id: "p",
      kind: "match",
      pairs: [
        ["bank", "of a river"],
        ["bank", "with money"],
        ["shore", "of a river"],
      ],
    };
    expect(marksOf(pairs, paired(1, 0, 2), none)).toEqual(["right", "right", "right"]);
    expect(canonical(pairs, paired(1, 0, 2))).toEqual(paired(0, 1, 2));
    expect(marksOf(pairs, paired(2, 1, 0), none)).toEqual(["right", "right", "right"]);
    expect(marksOf(pairs, paired(2, 1, null), none)).toEqual(["right", "right", "missed"]);
  });
  it("are compared as a learner reads them: markup that changes the meaning counts", () => {
    expect(comparable("<b>the</b>  cat")).toBe(comparable("the cat"));
    expect(comparable("e\u0301tude")).toBe(comparable("\u00e9tude"));
    expect(comparable("10<sup>2</sup>")).not.toBe(comparable("102"));
    expect(comparable('<img src="a" alt="">')).not.toBe(comparable('<img src="b" alt="">'));
  });
  it("other answers are sent as they are", () => {
    expect(canonical(order, ordered(2, 0, 1, 3))).toEqual(ordered(2, 0, 1, 3));
    expect(canonical(match, paired(2, null, 0))).toEqual(paired(2, null, 0));
  });
});

describe("points", () => {
  it.each([
    [0, 7000, "0"],
    [666, 7000, "0.7"],
    [20, 7000, "0.1"],
    [6990, 7000, "6.9"],
    [7000, 7000, "7"],
    [2500, 3000, "2.5"],
    [999, 1000, "0.9"],
  ])("%i of %i thousandths are shown as %s", (value, max, shown) => expect(points(value, max)).toBe(shown));
});

/** Lists what assistive technology reads, as role, name and description, one line for each element. */
function readOut(root: Element): string[] {
  const roles = ["radio", "checkbox", "textbox", "button", "listitem", "group"];
  return [...root.querySelectorAll("*")]
    .filter((e) => roles.includes(getRole(e) ?? "") && !e.closest("[aria-hidden=true]"))
    .map((e) => {
      const role = getRole(e)!;
      const name = (role === "listitem" ? text(e) : computeAccessibleName(e, { getComputedStyle }))
        .replace(/\s+/g, " ")
        .trim();
      return [
        role,
        name,
        role === "group" && computeAccessibleDescription(e, { getComputedStyle }).replace(/\s+/g, " ").trim(),
      ]
        .filter(Boolean)
        .join(" | ");
    });
}

describe("a wrong answer", () => {
  const quiz = (questions: Question[]): Quiz => ({
    id: "q",
    title: "Quiz",
    lang: "en",
    dir: "ltr",
    attempts: 3,
    pass: 60,
    shuffle: false,
    questions,
  });
  let id = 0;
  async function start(question: Question, score = 0, change: Partial<Quiz> = {}) {
    const attempt = {
      id: "t",
      startedMs: 1,
      submittedMs: null,
      answers: [],
      provisional: true,
      counts: true,
      score: null,
    };
    platform.replies["open_quiz"] = () => ({
      quiz: { ...quiz([question]), ...change },
      attempts: [],
      best: null,
      attemptsLeft: 3,
    });
    platform.replies["start_attempt"] = () => attempt;
    platform.replies["save_answer"] = () => ({ points: score, maxPoints: 2000, blanks: [], parts: [] });
    const { target } = show(QuizBox as never, { quiz: `q${id++}`, body: "b", title: "Quiz" } as never);
    await rendered();
    await click(button(target, "Start"));
    return target;
  }
  beforeEach(() => {
    platform.replies = {};
    platform.calls = [];
    clearKeptReplies();
  });
  afterEach(() => vi.unstubAllGlobals());

  it.each<[string, Question, (target: HTMLElement) => void | Promise<void>]>([
    ["single", single, (target) => click(fields(target)[1]!)],
    ["multiple", multiple, (target) => click(fields(target)[2]!)],
    [
      "fill",
      fill,
      (target) => {
        type(fields(target)[0]!, "pond");
      },
    ],
    ["order", order, () => undefined],
    ["match", match, (target) => click(target.querySelectorAll<HTMLElement>("ol:last-child .side")[0]!)],
  ])("%s: has focus, and is read out with the right answer", async (kind, question, answer) => {
    const target = await start(question);
    await answer(target);
    await rendered();
    await click(button(target, "Check"));
    expect(focused()).toBe("Not quite");
    for (const part of rightAnswer(question)) expect(announcer.announcement.text, kind).toContain(part);
    expect(announcer.announcement.text).toMatch(/^Not quite\. The right answer: /);
    expect(readOut(target)).toMatchSnapshot();
  });

  it("a right answer is announced without the answer", async () => {
    const target = await start(single, 2000);
    await click(fields(target)[0]!);
    await click(button(target, "Check"));
    expect(announcer.announcement.text).toBe("Correct");
    expect(focused()).toBe("Correct");
  });

  it("Enter in a gap goes to the next empty gap, and submits if there is none", async () => {
    const target = await start(fill);
    const gaps = fields(target);
    const enter = (field: HTMLElement, more: KeyboardEventInit = {}) =>
      field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...more }));
    type(gaps[0]!, "oxbow");
    enter(gaps[0]!);
    expect(document.activeElement).toBe(gaps[1]);
    type(gaps[1]!, "delta");
    // An input method uses Enter to accept the characters.
    enter(gaps[1]!, { isComposing: true });
    await rendered();
    expect(platform.requests("save_answer")).toEqual([]);
    enter(gaps[1]!);
    await rendered();
    expect(platform.requests("save_answer")).toEqual([
      { attempt: "t", question: "fill", response: texts("oxbow", "delta") },
    ]);
    expect(focused()).toBe("Not quite");
  });

  it("equal words are sent as if each were at its place", async () => {
    const target = await start({ ...order, items: ["same", "same"] });
    await click(button(target, "Check"));
    expect(platform.requests("save_answer")).toEqual([{ attempt: "t", question: "order", response: ordered(0, 1) }]);
  });

  it.each(
    [single, multiple, fill, order, match].flatMap((question) => [
      { kind: question.kind, question, lang: "ar", dir: "rtl" as const },
      { kind: question.kind, question, lang: "en", dir: "ltr" as const },
    ]),
  )("$kind in $lang: content has its direction, labels have that of the UI", async ({ question, lang, dir }) => {
    const target = await start(question, 0, { lang, dir });
    if (question.kind === "fill") type(fields(target)[0]!, "x");
    else if (question.kind === "match") await click(target.querySelectorAll<HTMLElement>("ol:last-child .side")[0]!);
    else if (question.kind !== "order") await click(fields(target)[0]!);
    await rendered();
    await click(button(target, "Check"));
    for (const chrome of target.querySelectorAll(".quiz, .stage, .eyebrow, legend, .actions .button, .badge, .note"))
      expect(chrome.closest("[dir], [lang]"), chrome.className).toBe(document.documentElement);
    const content = [...target.querySelectorAll(".rich")];
    expect(content.length).toBeGreaterThan(1);
    for (const part of content) expect([part.getAttribute("lang"), part.getAttribute("dir")]).toEqual([lang, dir]);
    expect(text(target.querySelector("bdi.num")!)).toBe("0 of 2");
  });

  it("the card keeps the height of the tallest question", async () => {
    let height = 0;
    let width = 600;
    const observers: (() => void)[] = [];
    vi.stubGlobal(
      "ResizeObserver",
      class {
        constructor(notify: () => void) {
          observers.push(notify);
        }
        observe = (): void => undefined;
        disconnect = (): void => undefined;
      },
    );
    const target = await start(single);
    const stage = target.querySelector<HTMLElement>(".stage")!;
    stage.getBoundingClientRect = () => ({ width, height, top: 0 }) as DOMRect;
    const resize = async (to: number): Promise<string> => {
      height = to;
      for (const notify of observers) notify();
      await rendered();
      return stage.style.minBlockSize;
    };
    await resize(300);
    expect(await resize(420)).toBe("420px");
    expect(await resize(350)).toBe("420px");
    width = 300;
    expect(await resize(500)).toBe("500px");
    expect(await resize(510)).toBe("510px");
  });
});

describe("what the author says about a result", () => {
  const told: Question = {
    ...multiple,
    resultFeedback: { right: "<em>All</em> found.", partly: "Some are missing.", wrong: "Read it again." },
  };
  it.each([
    [chosen("a", "b"), 2000, "All found."],
    [chosen("a"), 1000, "Some are missing."],
    [chosen("c"), 0, "Read it again."],
  ])("is shown with an answer that scores %#", (response, score, expected) => {
    const target = view(told, response, score);
    const group = target.querySelector("[data-result]")!;
    expect(computeAccessibleDescription(group, { getComputedStyle })).toContain(expected);
    const texts = Object.values(told.resultFeedback!).map((html) => html.replace(/<[^>]*>/g, ""));
    for (const other of texts) expect(text(group).includes(other), other).toBe(other === expected);
  });
  it("may be about one result only", () => {
    const question: Question = { ...multiple, resultFeedback: { wrong: "Read it again." } };
    const group = view(question, chosen("a", "b"), 2000).querySelector("[data-result]")!;
    expect(text(group)).not.toContain("Read it again.");
    expect(group.getAttribute("aria-describedby")).not.toContain("-feedback");
  });
});

describe("the end of a section", () => {
  beforeAll(async () => {
    await appState.load();
    await setLanguage("en");
  });
  it.each([
    ["how-rivers-work/meanders/check", "Submitted"],
    ["how-rivers-work/meanders/read", "Finished"],
  ])("of %s says: %s", async (item, word) => {
    const page = (await fixture("en").call("open_section", { item })) as SectionPage;
    platform.replies["open_section"] = () => ({
      ...page,
      progress: { ...page.progress, done: true, percent: 10_000, waiting: false },
    });
    const { target, close } = show(Lesson as never, { route: { name: "read", item } } as never);
    await rendered();
    await rendered();
    expect(text(target.querySelector(".finished")!)).toBe(word);
    close();
  });
});
