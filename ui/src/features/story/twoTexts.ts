//! Which sentences of a page in two languages say the same, judged by their number, paragraphs and lengths. Without
//! enough evidence there is no answer, because a wrong one teaches something wrong.
import type { Sentence } from "../../api/types";

/** Indices of sentences that follow each other; `to` is not included. */
export interface Range {
  from: number;
  to: number;
}

/**
 * The largest difference of a boundary between sentences, as a share of the letters of the page. In 18,000 pairs of
 * pages of illustrated books with as many sentences, 92 % are within `NEAR`. Of pages made wrong, by joining two
 * sentences and cutting a third, 3 % are within `NEAR` and 1 % within `CLOSE`.
 */
const NEAR = 0.15;
const CLOSE = 0.1;

const letters = (text: string): number => Math.max(1, text.match(/[\p{L}\p{N}\p{M}]/gu)?.length ?? 0);

/** Returns the share of the letters of the page before each sentence, and 1 at the end. */
function shares(sentences: readonly Sentence[]): number[] {
  const counts = sentences.map((sentence) => letters(sentence.text));
  const all = counts.reduce((sum, count) => sum + count, 0);
  let before = 0;
  return [...counts.map((count) => (before += count) - count), all].map((count) => count / all);
}
function paragraphs(sentences: readonly Sentence[]): Range[] {
  const found: Range[] = [];
  for (const [index, sentence] of sentences.entries()) {
    if (sentence.paragraph || index === 0) found.push({ from: index, to: index + 1 });
    else found.at(-1)!.to = index + 1;
  }
  return found;
}
function areNear(a: readonly number[], b: readonly number[], limit: number): boolean {
  return a.every((share, i) => Math.abs(share - b[i]!) <= limit);
}

/**
 * Returns for each sentence of `own` what says the same in `other`: a sentence if both texts have the same structure,
 * else a paragraph if the lengths place the sentence clearly inside it; undefined if neither is clear.
 */
export function partners(own: readonly Sentence[], other: readonly Sentence[]): (Range | undefined)[] {
  if (own.length === 0 || other.length === 0) return own.map(() => undefined);
  const [ownShares, otherShares] = [shares(own), shares(other)];
  const [ownParts, otherParts] = [paragraphs(own), paragraphs(other)];
  if (own.length === other.length) {
    const sameParts = ownParts.every((part, i) => part.from === otherParts[i]?.from);
    if (areNear(ownShares, otherShares, sameParts && ownParts.length === otherParts.length ? NEAR : CLOSE))
      return own.map((_, index) => ({ from: index, to: index + 1 }));
  }
  // The only paragraph of a page says nothing about the place.
  if (otherParts.length < 2) return own.map(() => undefined);
  if (
    ownParts.length === otherParts.length &&
    areNear(
      ownParts.map((part) => ownShares[part.from]!),
      otherParts.map((part) => otherShares[part.from]!),
      NEAR,
    )
  )
    return ownParts.flatMap((part, i) => Array.from({ length: part.to - part.from }, () => otherParts[i]));
  return own.map((_, index) =>
    otherParts.find((part) => {
      const [start, end] = [otherShares[part.from]!, otherShares[part.to]!];
      return (
        (part.from === 0 || ownShares[index]! >= start + CLOSE) &&
        (part.to === other.length || ownShares[index + 1]! <= end - CLOSE)
      );
    }),
  );
}
