import { beforeAll, describe, expect, it } from "vitest";
import type { ProgressOverview } from "../src/api/types";
import { axisEnd, countAxisEnd } from "../src/components/chart/axis";
import { studyDays } from "../src/features/progress/studyDays";
import { dayOfIso, isoOfDay } from "../src/i18n/days";
import Progress from "../src/features/progress/Progress.svelte";
import { day, percent, span } from "../src/i18n/format";
import { setLanguage } from "../src/i18n/index.svelte";
import { amina, demo, idle, stateOf } from "../src/platform/fixture/accounts";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { allByRole, byRole, click, fail, rendered, scriptPlatform, show, text } from "./support";

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
      summary: {
        days: 30,
        activeDays: 1,
        timeMs: MINUTE,
        storiesStarted: 0,
        storiesCompleted: 0,
        meanCompletion: 0,
        wordsLearned: 0,
        meanMastery: 0,
      },
      mastery: [0, 0, 0, 0, 0, 0],
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
    const last = dayOfIso("2026-11-25")!;
    return [...marks].map((mark, i) => ({
      day: isoOfDay(last - marks.length + 1 + i),
      activeMs: mark === "x" ? MINUTE : 0,
    }));
  };
  const kinds = (marks: string, of = settings()) => {
    const found = studyDays(days(marks), of);
    return [found.days.map((d) => ({ studied: "x", rest: "r", none: "-", open: "o" })[d.kind]).join(""), found.run];
  };
  it("days and numbers are the same calendar", () => {
    expect([dayOfIso("1970-01-01"), dayOfIso("2026-11-25"), isoOfDay(20_782)]).toEqual([0, 20_782, "2026-11-25"]);
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
    const away = { fromDay: dayOfIso("2026-11-16")!, toDay: dayOfIso("2026-11-24")! };
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
    const rows = [...first.target.querySelectorAll(".goals tbody tr")].map((row) => text(row));
    expect(rows).toHaveLength(28);
    expect(rows.filter((row) => row.endsWith("studied"))).toHaveLength(19);
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
    platform.replies["get_forecast"] = () => ({ fromDay: dayOfIso("2026-11-25")!, due: [12, 0, 3] });
    const { target, close } = show(Progress as never, {} as never);
    await rendered();
    const section = byRole(target, "region", "The next four weeks");
    expect(byRole(section, "img").getAttribute("aria-label")).toContain("Most on Wed, Nov 25: 12 words.");
    // Three charts, and the calendar of the study days.
    expect(target.querySelectorAll("details table")).toHaveLength(allByRole(target, "img").length + 1);
    expect([...section.querySelectorAll("tbody tr")].map((row) => text(row))).toEqual([
      `${day("2026-11-25")}12`,
      `${day("2026-11-26")}0`,
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

describe("the progress of the learner", () => {
  const open = async () => {
    clearKeptReplies();
    platform.replies = {};
    platform.calls = [];
    const shown = show(Progress as never, {} as never);
    await rendered();
    return shown;
  };
  it("shows thirty days in figures", async () => {
    const { target, close } = await open();
    const rows = [...byRole(target, "region", "The last 30 days").querySelectorAll("tr")];
    expect(rows.map((row) => [...row.children].map((cell) => text(cell)))).toEqual([
      ["Days studied", "20"],
      ["Study time", span(468 * MINUTE)],
      ["Stories started", "5"],
      ["Stories finished", "3"],
      ["Mean progress of the stories", percent(7_200)],
      ["Words learned", "18"],
      ["Mean mastery of the words", percent(4_600)],
    ]);
    close();
  });
  it("shows words by mastery, with a table", async () => {
    const { target, close } = await open();
    const section = byRole(target, "region", "Words by mastery");
    expect(byRole(section, "img").getAttribute("aria-label")).toContain("34");
    expect([...section.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => text(cell)))).toEqual(
      [
        ["Not studied", "6"],
        ["0 to 20%", "4"],
        ["20 to 40%", "9"],
        ["40 to 60%", "7"],
        ["60 to 80%", "5"],
        ["80 to 100%", "3"],
      ],
    );
    close();
    clearKeptReplies();
  });
  it("is exported as CSV or JSON", async () => {
    const { target, close } = await open();
    const folder = { path: "/media/usb", name: "USB", kind: "removable" };
    platform.replies["list_removable_media"] = () => ({ folders: [folder] });
    platform.replies["export_progress"] = () => ({
      path: "/media/usb/carrel-progress.json",
      fileName: "carrel-progress.json",
      bytes: 900,
      count: 40,
    });
    await click(byRole(target, "button", "Export progress"));
    const dialog = byRole(target, "dialog", "Export progress");
    expect(allByRole<HTMLInputElement>(dialog, "radio").filter((r) => r.name === "format" && r.checked)).toHaveLength(
      1,
    );
    await click(byRole(dialog, "radio", "JSON, for programs"));
    await click(byRole(dialog, "button", "Save file"));
    expect(platform.requests("export_progress")).toEqual([{ format: "json", folder: "/media/usb" }]);
    expect(text(byRole(dialog, "status"))).toBe("carrel-progress.json was saved.");
    close();
  });
  it("of a guest is erased only after the learner agreed", async () => {
    await appState.replace(stateOf(demo, idle, [demo]));
    const { target, close } = await open();
    expect(text(byRole(target, "region", "Your data"))).toContain("on this device only");
    await click(byRole(target, "button", "Erase my work"));
    const dialog = byRole(target, "dialog", "Erase my work");
    const erase = byRole<HTMLButtonElement>(dialog, "button", "Erase my work");
    expect(erase.disabled).toBe(true);
    await click(byRole(dialog, "checkbox", "I understand that this work is lost."));
    platform.replies["erase_guest_work"] = () => fail("disk_full");
    await click(erase);
    expect(allByRole(dialog, "alert")).toHaveLength(1);
    platform.replies["erase_guest_work"] = () => stateOf(demo, idle, [demo]);
    await click(erase);
    expect(platform.requests("erase_guest_work")).toHaveLength(2);
    expect(allByRole(target, "dialog")).toEqual([]);
    close();
    await appState.replace(stateOf(amina, idle, [amina]));
  });
  it("of an account on a server is removed from the device only, and the screen says so", async () => {
    const { target, close } = await open();
    expect(text(byRole(target, "region", "Your data"))).toContain("does not delete it from the server");
    platform.replies["check_account_removal"] = () => ({ unsynced: [], total: 0, isKnown: true });
    await click(byRole(target, "button", "Remove from this device"));
    expect(text(byRole(target, "dialog", "Remove Amina Diallo from this device"))).toContain("is on the server");
    close();
  });
});
