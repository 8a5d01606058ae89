//! The grades of answers, in the order of ratings 1 to 4.

export const GRADES = ["again", "hard", "good", "easy"] as const;
/** The rating that Space gives and that has the focus when the answer is shown. */
export const DEFAULT_RATING = 3;
/** The ratings that are offered with two buttons. */
export const TWO_RATINGS: readonly number[] = [1, 3];
/** A longer pause is not a time to answer. */
export const MAX_DURATION_MS = 10 * 60_000;
