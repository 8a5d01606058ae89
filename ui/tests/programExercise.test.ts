import { beforeAll, beforeEach, expect, it, vi } from "vitest";
import type { ItemProgress, SectionPage } from "../src/api/types";
import Lesson from "../src/features/lesson/Lesson.svelte";
import type { Run, RunEnd } from "../src/features/lesson/run/run";
import { setLanguage } from "../src/i18n/index.svelte";
import { fixture } from "../src/platform/fixture";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { click, rendered, scriptPlatform, show, text } from "./support";

/** What the next run prints, and how it ends. */
let printed = "";
let end: RunEnd = { kind: "ended" };
vi.mock("../src/features/lesson/run/run", () => ({
  run: (_language: string, _code: string, _input: string[], onoutput: (text: string) => void): Run => {
    onoutput(printed);
    return { stop: () => undefined, end: Promise.resolve(end) };
  },
}));

const platform = scriptPlatform();
const item = "how-rivers-work/meanders/read";
let page: SectionPage;
const code = { kind: "code", language: "python", text: "print()", editable: true } as const;

beforeAll(async () => {
  await appState.load();
  await setLanguage("en");
  page = (await fixture("en").call("open_section", { item })) as SectionPage;
});
beforeEach(() => {
  platform.reset();
  clearKeptReplies();
});

/** Opens a section with two exercises, of which the first was solved before if `passed`. */
async function open(passed: boolean, done = false) {
  platform.replies["open_section"] = () => ({
    ...page,
    body: {
      ...page.body,
      blocks: [code, { ...code, check: { output: "1\n" } }, { ...code, check: { output: "2\n" } }],
    },
    programs: [
      { block: 1, id: "one", passed },
      { block: 2, id: "two", passed: false },
    ],
    progress: { ...page.progress, done, waiting: false },
  });
  const shown = show(Lesson as never, { route: { name: "read", item } } as never);
  await rendered();
  await rendered();
  const figures = [...shown.target.querySelectorAll("figure.editable")];
  const run = async (at: number, output: string, how: RunEnd = { kind: "ended" }): Promise<void> => {
    [printed, end] = [output, how];
    await click(figures[at]!.querySelector(".actions button")!);
    await rendered();
  };
  return { ...shown, figures, run };
}
const SOLVED = "You have solved this exercise.";

it("an exercise that was solved before says so when the lesson is opened", async () => {
  const { figures, close } = await open(true);
  expect(figures.map((figure) => text(figure).includes(SOLVED))).toEqual([false, true, false]);
  close();
});

it("a right program is stored once it ran, a wrong, failed or unchecked one is not", async () => {
  const { run, figures, close } = await open(true);
  await run(0, "1\n");
  await run(2, "1\n");
  await run(2, "2\n", { kind: "failed", error: "ValueError" });
  expect(platform.requests("pass_program")).toEqual([]);
  // A wrong run of an exercise that was solved before does not take that back.
  await run(1, "7\n");
  expect(text(figures[1]!)).toContain(SOLVED);
  await run(2, "2\n");
  expect(platform.requests("pass_program")).toEqual([{ item, program: "two" }]);
  close();
});

it("the last right program of a section finishes it", async () => {
  const { target, run, close } = await open(true);
  const progress: ItemProgress = { ...page.progress, done: true, percent: 10_000, waiting: false };
  platform.replies["pass_program"] = () => progress;
  expect(target.querySelector(".finished")).toBeNull();
  await run(2, "2\n");
  expect(text(target.querySelector(".finished")!)).toBe("Finished");
  close();
});
