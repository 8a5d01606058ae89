import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { ReviewSettings, WorkloadCurve } from "../src/api/types";
import { countAxisEnd } from "../src/components/chart/axis";
import { dayOfIso, dayText, isoOfDay, weekdayName, weekdayOf, weekOrder } from "../src/i18n/days";
import ReviewSettingsDialog from "../src/features/review/ReviewSettingsDialog.svelte";
import { setLanguage } from "../src/i18n/index.svelte";
import { amina, idle, stateOf } from "../src/platform/fixture/accounts";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { allByRole, button, byRole, change, click, fail, rendered, scriptPlatform, show, text } from "./support";

const platform = scriptPlatform();
// The first test also compiles the screen.
vi.setConfig({ testTimeout: 20_000 });
/** 2026-11-20, a Friday. */
const TODAY = 20_777;
const initial: ReviewSettings = {
  retention: 0.9,
  maxIntervalDays: 36_500,
  dayStartMinutes: 240,
  newPerDay: 10,
  reviewsPerDay: 200,
  easyDays: [1, 1, 1, 1, 1, 1, 1],
  restDays: [false, false, false, false, false, false, false],
  away: [],
  leechLapses: 8,
  params: "",
  twoButtons: false,
  audioFirst: false,
};
let stored: ReviewSettings;
let close: () => void = () => undefined;

beforeAll(async () => {
  await setLanguage("en");
});
beforeEach(async () => {
  // The fixture keeps answers and marks.
  platform.reset();
  clearKeptReplies();
  stored = initial;
  platform.replies = {
    get_review_settings: () => stored,
    set_review_settings: () => {
      stored = { ...stored, ...(platform.requests("set_review_settings").at(-1) as Partial<ReviewSettings>) };
      return stored;
    },
  };
  await appState.replace(stateOf(amina, idle, [amina]));
});
afterEach(() => {
  close();
  close = () => undefined;
});
async function dialog(): Promise<HTMLElement> {
  const shown = show(ReviewSettingsDialog, { today: TODAY, onclose: () => undefined });
  close = shown.close;
  await rendered();
  await rendered();
  return shown.target;
}
const sent = (): unknown[] => platform.requests("set_review_settings");

describe("settings of reviews", () => {
  it.each([
    ["New words a day", "25", { newPerDay: 25 }],
    ["New words a day", "-3", { newPerDay: 0 }],
    ["Due words a day, at most", "12000", { reviewsPerDay: 9_999 }],
    ["Due words a day, at most", "30.6", { reviewsPerDay: 31 }],
    ["Longest interval, in days", "0", { maxIntervalDays: 1 }],
    ["Forgotten so often, a word counts as difficult", "0", { leechLapses: 0 }],
  ])("%s: %s is sent as one field within its limits", async (name, typed, request) => {
    const target = await dialog();
    const field = byRole<HTMLInputElement>(target, "spinbutton", name);
    await change(field, typed);
    expect(sent()).toEqual([request]);
    expect(field.value).toBe(String(Object.values(request)[0]));
  });
  it("a text that is no number becomes the former value, and nothing is sent", async () => {
    const target = await dialog();
    const field = byRole<HTMLInputElement>(target, "spinbutton", "New words a day");
    await change(field, "");
    expect([field.value, sent()]).toEqual(["10", []]);
  });
  it("two buttons, sound first, the start of the day", async () => {
    const target = await dialog();
    await click(allByRole(target, "checkbox").find((box) => text(box.parentElement!).startsWith("Two buttons"))!);
    await click(allByRole(target, "checkbox").find((box) => text(box.parentElement!).startsWith("Sound first"))!);
    const start = byRole<HTMLSelectElement>(target, "combobox", "A new day starts at");
    expect(start.value).toBe("240");
    await change(start, "0");
    expect(sent()).toEqual([{ twoButtons: true }, { audioFirst: true }, { dayStartMinutes: 0 }]);
  });
  it("a start that is no full hour stays in the list", async () => {
    stored = { ...initial, dayStartMinutes: 330 };
    const target = await dialog();
    expect(byRole<HTMLSelectElement>(target, "combobox", "A new day starts at").value).toBe("330");
  });
  it("a failed change shows the stored value again with the reason", async () => {
    const target = await dialog();
    platform.replies["set_review_settings"] = () => fail("disk_full");
    const field = byRole<HTMLInputElement>(target, "spinbutton", "New words a day");
    await change(field, "50");
    await rendered();
    expect(allByRole(target, "alert")).toHaveLength(1);
  });
});

describe("the share of words that are still known", () => {
  it("has the estimated work as a chart and as a table", async () => {
    platform.replies["get_workload"] = (): WorkloadCurve => ({
      points: [
        { retention: 0.8, reviewsPerDay: 12.34, minutesPerDay: 3, remembered: 480.4 },
        { retention: 0.95, reviewsPerDay: 40, minutesPerDay: 12, remembered: 570 },
      ],
    });
    const target = await dialog();
    const chart = allByRole(target, "img").find((image) => image.classList.contains("bars"))!;
    expect(chart.getAttribute("aria-label")).toContain("With a share of 80%: 3 min. With a share of 95%: 12 min.");
    const bars = [...chart.querySelectorAll<HTMLElement>(".bar > span")];
    expect(bars.map((bar) => Math.round(parseFloat(bar.style.blockSize)))).toEqual([20, 80]);
    const rows = [...target.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => text(cell)));
    expect(rows).toEqual([
      ["80%", "12.3", "3 min", "480"],
      ["95%", "40", "12 min", "570"],
    ]);
  });
  it("says so if there is nothing to estimate from", async () => {
    platform.replies["get_workload"] = (): WorkloadCurve => ({
      points: [{ retention: 0.8, reviewsPerDay: 0, minutesPerDay: 0, remembered: 0 }],
    });
    expect(text(await dialog())).toContain("An estimate of the time needs some answers first.");
  });
  it("is sent when the slider is released, not while it moves", async () => {
    const target = await dialog();
    const slider = byRole<HTMLInputElement>(target, "slider");
    slider.value = "85";
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await rendered();
    expect(sent()).toEqual([]);
    expect(text(target.querySelector("output")!)).toBe("85%");
    await change(slider, "80");
    expect(sent()).toEqual([{ retention: 0.8 }]);
  });
});

describe("days", () => {
  it("the weight of a weekday is sent with the other days unchanged, whatever day the week starts on", async () => {
    const target = await dialog();
    await change(byRole<HTMLSelectElement>(target, "combobox", "Sunday"), "0");
    await change(byRole<HTMLSelectElement>(target, "combobox", "Monday"), "0.5");
    await click(byRole(target, "checkbox", "Sunday"));
    expect(sent()).toEqual([
      { easyDays: [1, 1, 1, 1, 1, 1, 0] },
      { easyDays: [0.5, 1, 1, 1, 1, 1, 0] },
      { restDays: [false, false, false, false, false, false, true] },
    ]);
  });
  it("an absence is added and removed by its days", async () => {
    stored = { ...initial, away: [{ fromDay: TODAY + 30, toDay: TODAY + 31 }] };
    const target = await dialog();
    const [from, to] = [...target.querySelectorAll<HTMLInputElement>('input[type="date"]')];
    const add = button(target, "Add the absence");
    await change(from!, "2026-12-24");
    await change(to!, "2026-12-20");
    expect([add.disabled, text(byRole(target, "alert"))]).toEqual([true, "The last day is before the first one."]);
    await change(to!, "2027-01-02");
    await click(add);
    expect(sent()).toEqual([
      {
        away: [
          { fromDay: TODAY + 30, toDay: TODAY + 31 },
          { fromDay: 20_811, toDay: 20_820 },
        ],
      },
    ]);
    await rendered();
    await click(button(target, `Remove the absence from ${dayText(20_811, TODAY)} to ${dayText(20_820, TODAY)}`));
    expect(sent().at(-1)).toEqual({ away: [{ fromDay: TODAY + 30, toDay: TODAY + 31 }] });
  });
  it("are numbers since 1970 in every time zone", () => {
    expect([isoOfDay(TODAY), dayOfIso("2026-11-20"), dayOfIso(""), dayOfIso("soon")]).toEqual([
      "2026-11-20",
      TODAY,
      undefined,
      undefined,
    ]);
    expect([dayText(TODAY, TODAY), dayText(TODAY + 800, TODAY)]).toEqual(["Fri, Nov 20", "January 28, 2029"]);
    expect([weekdayOf(TODAY), weekdayOf(-4), weekdayName(4, "long")]).toEqual([4, 6, "Friday"]);
    expect([...weekOrder()].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
  it("counts have an axis whose third is a whole number", () => {
    expect([0, 1, 3, 4, 10, 15, 16, 100, 1_234].map(countAxisEnd)).toEqual([3, 3, 3, 6, 15, 15, 30, 150, 1_500]);
  });
});

describe("training", () => {
  const train = async (report: object): Promise<string> => {
    platform.replies["train_parameters"] = () => report;
    const target = await dialog();
    await click(button(target, "Train from my answers"));
    await rendered();
    expect(platform.requests("apply_parameters_to_all")).toEqual([]);
    return text(target);
  };
  it("says in words that the new values are better, and that no due day has moved", async () => {
    const words = await train({ reviews: 640, isBetter: true, logLossBefore: 0.4, logLossAfter: 0.38, params: "a" });
    expect(words).toContain("The new values predict 640 answers better and are now used.");
    expect(words).toContain("The error of the prediction is 5% smaller. No due day has moved.");
  });
  it("says that the present values stay if they are as good", async () => {
    const words = await train({ reviews: 1, isBetter: false, logLossBefore: 0.4, logLossAfter: 0.4, params: "" });
    expect(words).toContain("Computed from 1 answer. The present values predict your answers at least as well");
  });
  it("says that there are no answers to train from", async () => {
    const words = await train({ reviews: 0, isBetter: false, logLossBefore: 0, logLossAfter: 0, params: "" });
    expect(words).toContain("There are no answers to train from yet.");
  });
  it("applies to all words only after a second question", async () => {
    const target = await dialog();
    await click(button(target, "Apply to all words"));
    expect(platform.requests("apply_parameters_to_all")).toEqual([]);
    await click(button(target, "Cancel"));
    await click(button(target, "Apply to all words"));
    await click(button(target, "Move due days"));
    await rendered();
    expect(platform.requests("apply_parameters_to_all")).toHaveLength(1);
    expect(text(target)).toContain("All words were computed again.");
  });
});
