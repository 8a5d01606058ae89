//! Starts of sentences that a learner taps while a narration is played.

/** Milliseconds from the start of a sentence to the tap of a listener who waits for it. */
const REACTION_MS = 150;
/** Shortest time between two starts in milliseconds. */
const MIN_GAP_MS = 100;
/** Milliseconds before the last tap from which the narration is played again after it was taken back. */
const LEAD_MS = 1500;

/** Adds a tap at `ms` of the recording. A second tap at the same moment is ignored. */
export function addTap(taps: readonly number[], ms: number): readonly number[] {
  const start = Math.max(0, Math.round(ms - REACTION_MS));
  const last = taps.at(-1);
  return last !== undefined && start < last + MIN_GAP_MS ? taps : [...taps, start];
}
/** Takes the last tap back. Returns where the narration continues. */
export function removeTap(taps: readonly number[]): { taps: readonly number[]; from: number } {
  return { taps: taps.slice(0, -1), from: Math.max(0, (taps.at(-1) ?? 0) - LEAD_MS) };
}
