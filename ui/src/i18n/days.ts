//! Study days as dates. A study day is a number: days since 1970-01-01 of the learner's zone and start of the day.
import { day } from "./format";
import { locale } from "./index.svelte";

const DAY_MS = 86_400_000;
/** Nearer days are written without the year. */
const NEAR_DAYS = 300;

export function isoOfDay(studyDay: number): string {
  return new Date(studyDay * DAY_MS).toISOString().slice(0, 10);
}
export function dayOfIso(iso: string): number | undefined {
  const ms = Date.parse(`${iso}T00:00:00Z`);
  return Number.isNaN(ms) ? undefined : ms / DAY_MS;
}
/** "Fri 20 Nov", or "20 November 2028" for a day that is many months from `today`. */
export function dayText(studyDay: number, today: number): string {
  if (Math.abs(studyDay - today) < NEAR_DAYS) return day(isoOfDay(studyDay));
  const format = new Intl.DateTimeFormat(locale(), { dateStyle: "long", timeZone: "UTC" });
  return format.format(studyDay * DAY_MS);
}
/** The name of a day of the week; 0 is Monday. */
export function weekdayName(weekday: number, width: "long" | "short" | "narrow"): string {
  // 2024-01-01 was a Monday.
  return new Intl.DateTimeFormat(locale(), { weekday: width, timeZone: "UTC" }).format(Date.UTC(2024, 0, 1 + weekday));
}
/** The day of the week of a study day; 0 is Monday. */
export function weekdayOf(studyDay: number): number {
  return (((studyDay + 3) % 7) + 7) % 7;
}

/** The days of the week in the order of the locale; 0 is Monday. */
export function weekOrder(): number[] {
  type WeekInfo = { firstDay: number };
  const of = new Intl.Locale(locale()) as { getWeekInfo?: () => WeekInfo; weekInfo?: WeekInfo };
  const first = (of.getWeekInfo?.() ?? of.weekInfo)?.firstDay ?? 1;
  return Array.from({ length: 7 }, (_, i) => (i + first - 1) % 7);
}
