import { beforeAll, describe, expect, it } from "vitest";
import type { ProgressOverview } from "../src/api/types";
import { axisEnd, countAxisEnd } from "../src/components/chart/axis";
import { dayNumber, isoDay, studyDays } from "../src/features/progress/studyDays";
import Progress from "../src/features/progress/Progress.svelte";
import { day } from "../src/i18n/format";
import { setLanguage } from "../src/i18n/index.svelte";
import { amina, idle, stateOf } from "../src/platform/fixture/accounts";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { allByRole, byRole, click, rendered, scriptPlatform, show, text } from "./support";

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

describe("study days", () => {
  const settings = (rest: number[] = [], away: { fromDay: number; toDay: number }[] = []) => ({
    restDays: Array.from({ length: 7 }, (_, i) => rest.includes(i)),
    away,
  });
  /** Days up to Wednesday, 2026-11-25: x studied, - not. */
  const days = (marks: string) => {
    const last = dayNumber("2026-11-25");
    return [...marks].map((mark, i) => ({
      day: isoDay(last - marks.length + 1 + i),
      activeMs: mark === "x" ? MINUTE : 0,
    }));
  };
  const kinds = (marks: string, of = settings()) => {
    const found = studyDays(days(marks), of);
    return [found.days.map((d) => ({ studied: "x", rest: "r", none: "-", open: "o" })[d.kind]).join(""), found.run];
  };
  it("days and numbers are the same calendar", () => {
    expect([dayNumber("1970-01-01"), dayNumber("2026-11-25"), isoDay(20_782)]).toEqual([0, 20_782, "2026-11-25"]);
  });
  it("two days of each week without study are rest days, and end no run", () => {
    // Monday is the first day of a week: the last three days are one of the present week.
    expect(kinds("xxxxx--xxx")).toEqual(["xxxxxrrxxx", 8]);
    expect(kinds("xxxx---xxx")).toEqual(["xxxxrr-xxx", 3]);
    expect(kinds("x--x--x--x")).toEqual(["xrrx--xrrx", 2]);
    expect(kinds("----------")).toEqual(["rr-----rro", 0]);
    expect(kinds("")).toEqual(["", 0]);
  });
  it("today without study is open, and no day without study yet", () => {
    expect(kinds("xxxxxxxxx-")).toEqual(["xxxxxxxxxo", 9]);
    expect(kinds("xxxxxxx---")).toEqual(["xxxxxxxrro", 7]);
  });
  it("chosen rest days are among them, and days away end no run either", () => {
    // Saturday and Sunday.
    expect(kinds("-xxxx--x-x", settings([5, 6]))).toEqual(["-xxxxrrx-x", 1]);
    // Sunday, and one other day of each week.
    expect(kinds("-x-xx--x-x", settings([6]))).toEqual(["rx-xx-rxrx", 2]);
    expect(kinds("xxxxx--x-x", settings([5, 6]))).toEqual(["xxxxxrrx-x", 1]);
    const away = { fromDay: dayNumber("2026-11-16"), toDay: dayNumber("2026-11-24") };
    expect(kinds("---------x", settings([], [away]))).toEqual(["rrrrrrrrrx", 1]);
    expect(studyDays(days("x-x"), undefined).run).toBe(2);
  });
  it("an axis of counts ends at a round number", () => {
    expect([0, 3, 4, 16, 99, 150, 151, 4200].map(countAxisEnd)).toEqual([3, 3, 6, 30, 150, 150, 300, 6000]);
  });

  it("are the main figure, with a table, and can be hidden on this device", async () => {
    clearKeptReplies();
    delete platform.replies["get_progress_overview"];
    const first = show(Progress as never, {} as never);
    await rendered();
    // Searching by role takes long on a whole screen.
    expect(text(first.target.querySelector(".goals h2")!)).toBe("19 of the last 28 days studied");
    await click(byRole(first.target.querySelector(".goals")!, "button", "Hide study days"));
    expect(text(first.target)).not.toContain("of the last 28 days studied");
    first.close();
    const second = show(Progress as never, {} as never);
    await rendered();
    expect(text(second.target)).not.toContain("of the last 28 days studied");
    await click(byRole(second.target, "button", "Show study days"));
    expect(text(second.target.querySelector(".goals h2")!)).toBe("19 of the last 28 days studied");
    second.close();
  });
  it("and reviews to come have a table for each chart", async () => {
    clearKeptReplies();
    platform.replies["get_forecast"] = () => ({ fromDay: dayNumber("2026-11-25"), due: [12, 0, 3] });
    const { target, close } = show(Progress as never, {} as never);
    await rendered();
    const section = byRole(target, "region", "The next four weeks");
    expect(byRole(section, "img").getAttribute("aria-label")).toContain("Today: 12. In all: 15.");
    expect(target.querySelectorAll("details table")).toHaveLength(allByRole(target, "img").length);
    expect([...section.querySelectorAll("tbody tr")].map((row) => text(row))).toEqual([
      `${day("2026-11-25")}12`,
      `${day("2026-11-26")}–`,
      `${day("2026-11-27")}3`,
    ]);
    close();
    platform.replies["get_forecast"] = () => ({ fromDay: 0, due: [0, 0] });
    clearKeptReplies();
    const none = show(Progress as never, {} as never);
    await rendered();
    expect(allByRole(none.target, "region", "The next four weeks")).toEqual([]);
    none.close();
  });
});
