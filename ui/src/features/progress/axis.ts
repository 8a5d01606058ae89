//! The time axis of the chart of study time.

const MINUTE = 60_000;
const STEPS = [15, 30, 60, 120, 240];

/** Returns the end of the axis in milliseconds: the first step that the longest day fits in, else whole hours. */
export function axisEnd(longestMs: number): number {
  const minutes = STEPS.find((step) => step * MINUTE >= longestMs) ?? Math.ceil(longestMs / (60 * MINUTE)) * 60;
  return minutes * MINUTE;
}
