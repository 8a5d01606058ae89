//! Times of sentences in a narration, and positions in a story.
import type { Page, Sentence } from "../../api/types";

/** Returns the index of the last sentence that starts at or before `ms`; -1 if there is none, or no times. */
export function sentenceAt(sentences: readonly Sentence[], ms: number): number {
  let found = -1;
  for (let i = 0; i < sentences.length; i++) {
    const start = sentences[i]!.startMs;
    if (start === undefined) return -1;
    if (start <= ms) found = i;
    else break;
  }
  return found;
}

/**
 * Returns start and end of a sentence in ms. A missing end is the next start, or the end of the recording; an end after
 * the next start is that start.
 */
export function spanOf(page: Page, index: number): { start: number; end: number } | undefined {
  const sentence = page.sentences[index];
  if (sentence?.startMs === undefined) return undefined;
  const next = page.sentences[index + 1]?.startMs ?? Number.POSITIVE_INFINITY;
  const end = Math.min(sentence.endMs ?? page.narration?.durationMs ?? Number.POSITIVE_INFINITY, next);
  return { start: sentence.startMs, end };
}

/** Formats a position in a story as `p3.s2`, both numbers from 1; without a sentence (-1) as `p3`. */
export function formatStoryPosition(page: number, sentence: number): string {
  return sentence >= 0 ? `p${page + 1}.s${sentence + 1}` : `p${page + 1}`;
}
export function parseStoryPosition(pos: string | null): { page: number; sentence: number } | undefined {
  const match = /^p(\d+)(?:\.s(\d+))?$/.exec(pos ?? "");
  return match ? { page: Number(match[1]) - 1, sentence: match[2] ? Number(match[2]) - 1 : -1 } : undefined;
}

/** Returns the sentences by paragraph, with their index on the page. */
export function paragraphsOf<T extends { paragraph: boolean }>(
  sentences: readonly T[],
): { index: number; sentence: T }[][] {
  const out: { index: number; sentence: T }[][] = [];
  for (const [index, sentence] of sentences.entries()) {
    if (sentence.paragraph || out.length === 0) out.push([]);
    out.at(-1)!.push({ index, sentence });
  }
  return out;
}

/** A part of a sentence: plain text, or a word of the vocabulary. */
export interface Piece {
  text: string;
  word?: string;
}
/** Splits a sentence at its marked words. Skips spans that overlap or are out of range. */
export function pieces(sentence: Sentence): Piece[] {
  const out: Piece[] = [];
  let at = 0;
  for (const span of [...sentence.words].sort((a, b) => a.start - b.start)) {
    if (span.start < at || span.end <= span.start || span.end > sentence.text.length) continue;
    if (span.start > at) out.push({ text: sentence.text.slice(at, span.start) });
    out.push({ text: sentence.text.slice(span.start, span.end), word: span.word });
    at = span.end;
  }
  if (at < sentence.text.length) out.push({ text: sentence.text.slice(at) });
  return out;
}
