//! Days with study and rest days. A rest day costs nothing: it neither counts nor ends a run of study days.
import type { DayTime, ReviewSettings } from "../../api/types";
import { locale } from "../../i18n/index.svelte";

const DAY_MS = 86_400_000;
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

/** Days since 1970-01-01 of a day `2026-11-20`. */
export const dayNumber = (iso: string): number => Date.parse(`${iso}T00:00:00Z`) / DAY_MS;
/** A number of days since 1970-01-01 as `2026-11-20`. */
export const isoDay = (number: number): string => new Date(number * DAY_MS).toISOString().slice(0, 10);
/** Day of the week, 0 for Monday: 1970-01-01 was a Thursday. */
export const weekday = (number: number): number => (number + 3) % 7;

/** Returns the day of the week of `2026-11-20` as one letter. */
export function initial(iso: string): string {
  return new Intl.DateTimeFormat(locale(), { weekday: "narrow", timeZone: "UTC" }).format(
    Date.parse(`${iso}T00:00:00Z`),
  );
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
    const number = dayNumber(day);
    if (weekday(number) === 0) free = unchosen;
    const kindOf = (): DayKind => {
      if (activeMs > 0) return "studied";
      if (settings?.away.some((away) => number >= away.fromDay && number <= away.toDay)) return "rest";
      if (settings?.restDays[weekday(number)]) return "rest";
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
