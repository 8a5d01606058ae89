//! Pure functions for quiz questions: initial answers, moves, pairs, completeness.
import type { Question, Response } from "../../api/types";
import { shuffled } from "../cover/coverColors";

/** Returns the indices below `count` in an order that depends on `key` and, for two or more, is never the right one. */
export function initialOrder(count: number, key: string): number[] {
  const right = Array.from({ length: count }, (_, i) => i);
  const order = shuffled(right, key);
  return count > 1 && order.every((n, i) => n === i) ? [...order.slice(1), order[0]!] : order;
}

/** Returns the list with the item at `from` moved to `to`, clamped to the list. */
export function moveItem<T>(items: readonly T[], from: number, to: number): T[] {
  const out = [...items];
  const target = Math.min(Math.max(to, 0), items.length - 1);
  const [item] = out.splice(from, 1);
  if (item !== undefined) out.splice(target, 0, item);
  return out;
}

/** Pairs `left` with `right` and removes any other pair of `right`. Null removes the pair of `left`. */
export function paired(pairs: readonly (number | null)[], left: number, right: number | null): (number | null)[] {
  return pairs.map((have, i) => (i === left ? right : right !== null && have === right ? null : have));
}

/** Returns the initial answer to a question. */
export function emptyAnswer(question: Question, key: string): Response {
  switch (question.kind) {
    case "single":
    case "multiple":
      return { kind: "choice", chosen: [] };
    case "fill":
      return { kind: "fill", texts: question.blanks.map(() => "") };
    case "order":
      return { kind: "order", order: initialOrder(question.items.length, `${key} ${question.id}`) };
    case "match":
      return { kind: "match", right: question.pairs.map(() => null) };
  }
}

/** Whether the response contains an answer that can be checked. */
export function isAnswered(question: Question, response: Response): boolean {
  if (response.kind === "choice") return response.chosen.length > 0;
  if (response.kind === "fill") return response.texts.some((text) => text.trim() !== "");
  if (response.kind === "match") return response.right.some((r) => r !== null);
  return question.kind === "order";
}

/** Returns the letter of a right item: "A", "B" ... */
export function letter(index: number): string {
  return String.fromCharCode(65 + index);
}
