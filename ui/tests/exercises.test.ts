import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { addTap, removeTap } from "../src/features/story/taps";
import Exercises from "../src/features/story/Exercises.svelte";
import TapAlong from "../src/features/story/TapAlong.svelte";
import { setLanguage } from "../src/i18n/index.svelte";
import { lamp } from "../src/platform/fixture/texts";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { allByRole, byRole, click, fail, rendered, scriptPlatform, show, text, type } from "./support";

const platform = scriptPlatform();
let close: () => void = () => undefined;
beforeAll(async () => {
  await appState.load();
  await setLanguage("en");
});
beforeEach(() => {
  clearKeptReplies();
  platform.reset();
  Element.prototype.scrollIntoView = () => undefined;
});
afterEach(() => close());

async function open(hasQuiz = false): Promise<HTMLElement> {
  const item = "the-lamp-by-the-sea";
  const shown = show(Exercises as never, { item, lang: "en", dir: "ltr", hasQuiz } as never);
  close = shown.close;
  await rendered();
  return shown.target;
}

describe("exercises after a story", () => {
  it("follow one another, with the result of each answer at once", async () => {
    const target = await open(true);
    expect(text(byRole(target, "heading"))).toBe("More exercises");
    await click(byRole(target, "button", "New exercises"));
    expect(text(target)).toContain("Exercise 1 of 7 What does this word mean?");
    expect(byRole<HTMLButtonElement>(target, "button", "Check").disabled).toBe(true);
    await click(byRole(target, "radio", "To go up, step by step."));
    await click(byRole(target, "button", "Check"));
    expect(document.activeElement?.hasAttribute("data-result")).toBe(true);
    expect(text(target)).toContain("The right answer: So that others can hear it.");
    expect(text(target)).toContain("That one was not easy.");
    await click(byRole(target, "button", "Next exercise"));
    type(byRole(target, "textbox"), "harbour");
    await rendered();
    await click(byRole(target, "button", "Check"));
    expect(text(target)).toContain("Correct");
    expect(text(target)).not.toContain("not easy");
    expect(platform.requests("answer_exercise")).toEqual([
      {
        item: "the-lamp-by-the-sea",
        run: "r1",
        exercise: "exercise-1",
        response: { kind: "choice", chosen: ["choice-2"] },
      },
      {
        item: "the-lamp-by-the-sea",
        run: "r1",
        exercise: "exercise-2",
        response: { kind: "fill", texts: ["harbour"] },
      },
    ]);
  });

  it("continue where they were left, and end with the number of right ones", async () => {
    const { api } = await import("../src/api/client");
    const item = "the-lamp-by-the-sea";
    const answer = (n: number, response: object): Promise<unknown> =>
      api.answerExercise({ item, run: "r1", exercise: `exercise-${n}`, response: response as never });
    await answer(1, { kind: "choice", chosen: ["choice-1"] });
    await answer(2, { kind: "fill", texts: ["sea"] });
    await answer(3, { kind: "order", order: [0, 1, 2] });
    await answer(4, { kind: "choice", chosen: ["choice-1"] });
    await api.answerExercise({
      item,
      run: "r1",
      exercise: "exercise-match",
      response: { kind: "match", right: [0, 1, 2] },
    });
    const target = await open();
    await click(byRole(target, "button", "Continue"));
    expect(text(target)).toContain("Exercise 6 of 7 Listen and type what you hear.");
    expect(allByRole(target, "button", "Listen")).toHaveLength(1);
    type(byRole(target, "textbox"), "She counts them aloud");
    await rendered();
    await click(byRole(target, "button", "Check"));
    await click(byRole(target, "button", "Next exercise"));
    expect(text(target)).toContain("Every evening Noor climbs the stairs.");
    const judge = byRole(target, "group", "How well did you say it?");
    expect(allByRole(judge, "button").map((button) => text(button))).toEqual(["Said it well", "Nearly", "Not yet"]);
    await click(byRole(judge, "button", "Nearly"));
    expect(text(byRole(target, "status"))).toBe("Well done: 5 of 6 right.");
    expect(text(target)).toContain("2 earlier times");
  });

  it("match words and pictures, which the right answer shows too", async () => {
    const { api } = await import("../src/api/client");
    const item = "the-lamp-by-the-sea";
    const answer = (n: number, response: object): Promise<unknown> =>
      api.answerExercise({ item, run: "r1", exercise: `exercise-${n}`, response: response as never });
    for (const n of [1, 4]) await answer(n, { kind: "choice", chosen: ["choice-1"] });
    await answer(2, { kind: "fill", texts: ["harbour"] });
    await answer(3, { kind: "order", order: [0, 1, 2] });
    const target = await open();
    await click(byRole(target, "button", "Continue"));
    expect(text(target)).toContain("Match the words and the pictures.");
    const right = [...target.querySelectorAll<HTMLElement>(".match ol:last-of-type button")];
    expect(right.map((button) => button.querySelector("img")!.alt).toSorted()).toEqual([
      "Picture 1",
      "Picture 3",
      "Picture 5",
    ]);
    // All in the order in which they are shown, which is not that of the pairs for each seed.
    for (const button of right) await click(button);
    await click(byRole(target, "button", "Check"));
    const [request] = platform.requests("answer_exercise").slice(-1) as [{ exercise: string; response: object }];
    expect(request.exercise).toBe("exercise-match");
    const shown = target.querySelector("[data-result]")!;
    if (!text(shown).includes("Correct")) expect(shown.querySelectorAll("img")).toHaveLength(3);
  });

  it("stay as they are if an answer cannot be stored", async () => {
    const target = await open();
    await click(byRole(target, "button", "New exercises"));
    await click(byRole(target, "radio", "To go up, step by step."));
    platform.replies["answer_exercise"] = () => fail("disk_full");
    await click(byRole(target, "button", "Check"));
    expect(byRole<HTMLInputElement>(target, "radio", "To go up, step by step.").checked).toBe(true);
    delete platform.replies["answer_exercise"];
    await click(byRole(target, "button", "Check"));
    expect(text(target)).toContain("The right answer:");
  });

  it("are not offered if none can be derived", async () => {
    platform.replies["get_exercises"] = () => ({ available: false, runs: [] });
    expect(text(await open())).toBe("");
  });
});

describe("tapping along", () => {
  it("a tap is a little later than the sentence, and two at once are one", () => {
    expect(addTap([], 50)).toEqual([0]);
    expect(addTap([0], 2_150.4)).toEqual([0, 2_000]);
    expect(addTap([0, 2_000], 2_200)).toEqual([0, 2_000]);
    expect(removeTap([0, 2_000])).toEqual({ taps: [0], from: 500 });
    expect(removeTap([0])).toEqual({ taps: [], from: 0 });
    expect(removeTap([])).toEqual({ taps: [], from: 0 });
  });
  it("stores a start for each sentence of the page", async () => {
    let isClosed = false;
    const page = lamp.pages[1]!;
    const props = { page, lang: "en", dir: "ltr", isCorrected: true, onclose: () => (isClosed = true) };
    const shown = show(TapAlong as never, props as never);
    close = shown.close;
    await rendered();
    const audio = shown.target.querySelector("audio")!;
    audio.play = () => Promise.resolve();
    await click(byRole(shown.target, "button", "Start"));
    expect(text(shown.target)).toContain("Sentence 1 of 3");
    for (const [ms, sentence] of [
      [150, "The sea was loud that night."],
      [9_000, "Nobody came, and Noor waited."],
    ] as const) {
      expect(text(shown.target)).toContain(sentence);
      audio.currentTime = ms / 1000;
      await click(byRole(shown.target, "button", "It begins now"));
    }
    await click(byRole(shown.target, "button", "Take back"));
    expect(audio.currentTime).toBe(7.35);
    expect(text(shown.target)).toContain("Nobody came, and Noor waited.");
    for (const ms of [3_350, 7_450]) {
      audio.currentTime = ms / 1000;
      await click(byRole(shown.target, "button", "It begins now"));
    }
    expect(allByRole(shown.target, "button", "It begins now")).toEqual([]);
    platform.replies["set_sentence_times"] = () => ({});
    await click(byRole(shown.target, "button", "Save times"));
    expect(platform.requests("set_sentence_times")).toEqual([
      { recording: page.narration!.hash, starts: [0, 3_200, 7_300] },
    ]);
    expect(isClosed).toBe(true);
  });
});
