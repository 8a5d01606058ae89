import { beforeAll, describe, expect, it } from "vitest";
import type { ProgressOverview } from "../src/api/types";
import { axisEnd } from "../src/components/chart/axis";
import Progress from "../src/features/progress/Progress.svelte";
import { setLanguage } from "../src/i18n/index.svelte";
import { amina, idle, stateOf } from "../src/platform/fixture/accounts";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { allByRole, rendered, scriptPlatform, show, text } from "./support";

const platform = scriptPlatform();
const MINUTE = 60_000;
beforeAll(async () => {
  await setLanguage("en");
  await appState.replace(stateOf(amina, idle, [amina]));
});

describe("the chart of study time", () => {
  it.each([
    [0, 15],
    [1, 15],
    [15, 15],
    [16, 30],
    [45, 60],
    [61, 120],
    [121, 240],
    [240, 240],
    [241, 300],
    [700, 720],
  ])("with at most %i minutes a day ends at %i minutes", (minutes, end) =>
    expect(axisEnd(minutes * MINUTE)).toBe(end * MINUTE),
  );
  it("is not filled by one minute, which is still visible", async () => {
    clearKeptReplies();
    platform.replies["get_progress_overview"] = (): ProgressOverview => ({
      totalMs: MINUTE,
      streakDays: 1,
      sectionsDone: 0,
      storiesDone: 0,
      quizzesTaken: 0,
      courses: [],
      days: ["2026-11-28", "2026-11-29"].map((day, i) => ({ day, activeMs: i * MINUTE })),
    });
    const { target, close } = show(Progress as never, {} as never);
    await rendered();
    const chart = allByRole(target, "img")[0]!;
    const bars = [...chart.querySelectorAll<HTMLElement>(".bar > span")];
    expect(bars.map((bar) => Math.round(parseFloat(bar.style.blockSize)))).toEqual([0, 7]);
    expect(bars.map((bar) => bar.classList.contains("some"))).toEqual([false, true]);
    expect([...chart.querySelectorAll(".grid")].map((line) => text(line))).toEqual(["15 min", "5 min"]);
    close();
  });
});
