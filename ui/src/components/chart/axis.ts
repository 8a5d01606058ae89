//! The ends of axes of bar charts.

const MINUTE = 60_000;
const TIMES = [15, 30, 60, 120, 240];
const COUNTS = [3, 6, 9, 15];

/** Returns the end of an axis in milliseconds: the first step that the longest time fits in, else whole hours. */
export function axisEnd(longestMs: number): number {
  const minutes = TIMES.find((step) => step * MINUTE >= longestMs) ?? Math.ceil(longestMs / (60 * MINUTE)) * 60;
  return minutes * MINUTE;
}

/** Returns the end of an axis of counts: the first of 3, 6, 9, 15, 30, 60, 90, 150 ... that is enough. */
export function countAxisEnd(most: number): number {
  let unit = 1;
  while (COUNTS.at(-1)! * unit < most) unit *= 10;
  return COUNTS.find((step) => step * unit >= most)! * unit;
}
