//! Formats numbers, sizes, dates and durations for the active locale.
import { locale, t } from "./index.svelte";

const cache = new Map<string, unknown>();
function cached<T>(key: string, make: () => T): T {
  const found = cache.get(key) as T | undefined;
  if (found !== undefined) return found;
  const value = make();
  cache.set(key, value);
  return value;
}

export function number(value: number): string {
  return cached(`n ${locale()}`, () => new Intl.NumberFormat(locale())).format(value);
}
/** A duration as "1:04:09" or "4:09", rounded up to seconds. */
export function countdown(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  const two = cached(`two ${locale()}`, () => new Intl.NumberFormat(locale(), { minimumIntegerDigits: 2 }));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${number(h)}:${two.format(m)}:${two.format(s)}` : `${number(m)}:${two.format(s)}`;
}
/** A decimal text in ASCII, such as "1234.5" or "6e23", with all its digits. */
export function plainNumber(text: string): string {
  const format = cached(
    `d ${locale()}`,
    () => new Intl.NumberFormat(locale(), { maximumSignificantDigits: 21, useGrouping: true }),
  );
  const value = Number(text);
  return Math.abs(value) >= 1e21 || (value !== 0 && Math.abs(value) < 1e-6)
    ? text.replace(/e\+?/, "·10^")
    : format.format(value);
}
/** Points in thousandths with one decimal: never rounded up to the maximum, never down to 0. */
export function points(value: number, max: number): string {
  let tenths = Math.round(value / 100);
  if (value < max && tenths * 100 >= max) tenths = Math.ceil(max / 100) - 1;
  if (value > 0 && tenths === 0) tenths = 1;
  return cached(`pt ${locale()}`, () => new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 })).format(
    tenths / 10,
  );
}
/** Hundredths of a percent as "63 %", rounded down. */
export function percent(hundredths: number): string {
  return cached(`p ${locale()}`, () => new Intl.NumberFormat(locale(), { style: "percent" })).format(
    Math.floor(hundredths / 100) / 100,
  );
}
/** Bytes as "4.1 MB", in decimal units. The smallest unit is the kilobyte; less than one, but not nothing, is one. */
export function bytes(value: number): string {
  const units = ["kilobyte", "megabyte", "gigabyte"] as const;
  let index = 0;
  let amount = value > 0 ? Math.max(1, value / 1000) : 0;
  while (amount >= 1000 && index < units.length - 1) {
    amount /= 1000;
    index += 1;
  }
  const unit = units[index]!;
  return cached(
    `b ${locale()} ${unit} ${amount < 10}`,
    () =>
      new Intl.NumberFormat(locale(), {
        style: "unit",
        unit,
        unitDisplay: "short",
        maximumFractionDigits: amount < 10 && index > 0 ? 1 : 0,
      }),
  ).format(amount);
}
/** Time of day: "14:05". */
export function clock(ms: number): string {
  return cached(
    `c ${locale()}`,
    () => new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }),
  ).format(ms);
}
const DAY = 86_400_000;
function sameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString();
}
/** A short date or time: "10:31" today, "Tue 18:40" within six days, else "3 Nov". */
export function stamp(ms: number, now = Date.now()): string {
  if (sameDay(ms, now)) return clock(ms);
  const recent = Math.abs(now - ms) < 6 * DAY;
  return cached(
    `s ${locale()} ${recent}`,
    () =>
      new Intl.DateTimeFormat(
        locale(),
        recent ? { weekday: "short", hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" },
      ),
  ).format(ms);
}
/** A date: "3 November 2026". */
export function date(ms: number): string {
  return cached(`d ${locale()}`, () => new Intl.DateTimeFormat(locale(), { dateStyle: "long" })).format(ms);
}
export function dateTime(ms: number): string {
  return cached(
    `dt ${locale()}`,
    () => new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }),
  ).format(ms);
}
/** A calendar day `2026-11-20` as "Fri 20 Nov". */
export function day(iso: string): string {
  return cached(
    `day ${locale()}`,
    () => new Intl.DateTimeFormat(locale(), { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" }),
  ).format(Date.parse(`${iso}T00:00:00Z`));
}
/** A relative time: "20 minutes ago". */
export function ago(ms: number, now = Date.now()): string {
  const seconds = Math.round((ms - now) / 1000);
  const relative = cached(`r ${locale()}`, () => new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }));
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [
    ["second", 60],
    ["minute", 60],
    ["hour", 24],
    ["day", 30],
    ["month", 12],
  ];
  let amount = seconds;
  for (const [unit, size] of steps) {
    if (Math.abs(amount) < size)
      return unit === "second" ? t("time.justNow") : relative.format(Math.trunc(amount), unit);
    amount /= size;
  }
  return relative.format(Math.trunc(amount), "year");
}
/** A duration: "1 h 20 min", "4 min", "less than a minute". */
export function span(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return t("time.underMinute");
  const hours = Math.floor(minutes / 60);
  const unit = (value: number, name: "hour" | "minute"): string =>
    cached(
      `u ${locale()} ${name}`,
      () => new Intl.NumberFormat(locale(), { style: "unit", unit: name, unitDisplay: "short" }),
    ).format(value);
  if (hours === 0) return unit(minutes, "minute");
  return minutes % 60 === 0 ? unit(hours, "hour") : `${unit(hours, "hour")} ${unit(minutes % 60, "minute")}`;
}
/** A number of days: "3 days", "2 mths", "1.5 yrs". */
export function days(count: number): string {
  const [value, unit] = count < 60 ? [count, "day"] : count < 730 ? [count / 30.4, "month"] : [count / 365.25, "year"];
  const decimals = unit === "year" ? 1 : 0;
  return cached(
    `d ${locale()} ${unit}`,
    () =>
      new Intl.NumberFormat(locale(), {
        style: "unit",
        unit: unit,
        unitDisplay: "short",
        maximumFractionDigits: decimals,
      }),
  ).format(value);
}
/** A time to wait, rounded up: "15 s", "2 min". */
export function wait(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  const isShort = seconds < 100;
  return cached(
    `w ${locale()} ${isShort}`,
    () =>
      new Intl.NumberFormat(locale(), {
        style: "unit",
        unit: isShort ? "second" : "minute",
        unitDisplay: "short",
      }),
  ).format(isShort ? seconds : Math.ceil(seconds / 60));
}
/** A position in a recording: "1:05". */
export function playTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const rest = String(whole % 60).padStart(2, "0");
  return `${Math.floor(whole / 60)}:${rest}`;
}
/** The name of a language in the active locale: "Swahili". */
export function languageName(tag: string): string {
  try {
    return cached(`l ${locale()}`, () => new Intl.DisplayNames(locale(), { type: "language" })).of(tag) ?? tag;
  } catch {
    return tag;
  }
}
/** "a, b and c". */
export function list(items: string[]): string {
  return cached(`list ${locale()}`, () => new Intl.ListFormat(locale(), { type: "conjunction" })).format(items);
}
