//! Days with study and rest days. A rest day costs nothing: it neither counts nor ends a run of study days.
import type { DayTime, ReviewSettings } from "../../api/types";
import { dayOfIso, weekdayOf } from "../../i18n/days";

/** Rest days of a week: those that the learner chose, and of the other days without study the first ones up to this number. */
const REST_DAYS = 2;

export type DayKind = "studied" | "rest" | "none" | "open";
export interface StudyDays {
  /** `open`: today, if nothing was studied yet. */
  days: { day: string; activeMs: number; kind: DayKind }[];
  studied: number;
  /** Days with study up to today, without a day between them that is neither studied nor a rest day. */
  run: number;
}

export function chosenRestDays(settings: Pick<ReviewSettings, "restDays"> | undefined): number {
  return settings?.restDays.filter(Boolean).length ?? 0;
}
/** `days` are consecutive, oldest first, and end with today. */
export function studyDays(
  days: readonly DayTime[],
  settings: Pick<ReviewSettings, "restDays" | "away"> | undefined,
): StudyDays {
  const unchosen = Math.max(0, REST_DAYS - chosenRestDays(settings));
  let free = unchosen;
  const found = days.map(({ day, activeMs }, i) => {
    const number = dayOfIso(day) ?? 0;
    if (weekdayOf(number) === 0) free = unchosen;
    const kindOf = (): DayKind => {
      if (activeMs > 0) return "studied";
      if (settings?.away.some((away) => number >= away.fromDay && number <= away.toDay)) return "rest";
      if (settings?.restDays[weekdayOf(number)]) return "rest";
      if (i === days.length - 1) return "open";
      return free-- > 0 ? "rest" : "none";
    };
    return { day, activeMs, kind: kindOf() };
  });
  const end = found.findLastIndex((one) => one.kind === "none");
  return {
    days: found,
    studied: found.filter((one) => one.kind === "studied").length,
    run: found.slice(end + 1).filter((one) => one.kind === "studied").length,
  };
}

const STORE = "carrel.progress";
/** Whether the learner hid the study days. Kept on this device, in the local storage. */
export function areGoalsHidden(): boolean {
  try {
    return localStorage.getItem(STORE) === "hidden";
  } catch {
    return false;
  }
}
export function hideGoals(hidden: boolean): void {
  try {
    if (hidden) localStorage.setItem(STORE, "hidden");
    else localStorage.removeItem(STORE);
  } catch {
    // Without storage, the choice is lost when the app is closed.
  }
}
