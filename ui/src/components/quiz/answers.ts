//! Pure functions for quiz questions: initial answers, moves, pairs, completeness.
import type { Gap, Question, Region, Response } from "../../api/types";
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

/** Returns the initial answer to a question. A question of an unknown kind has an answer that is never saved. */
export function emptyAnswer(question: Question, key: string): Response {
  switch (question.kind) {
    case "single":
    case "multiple":
    case "hotspot":
    case "unknown":
      return { kind: "choice", chosen: [] };
    case "fill":
      return { kind: "fill", texts: question.blanks.map(() => "") };
    case "numeric":
      return { kind: "number", text: "", lang: "" };
    case "cloze":
      return { kind: "cloze", gaps: question.gaps.map(() => null) };
    case "order":
      return { kind: "order", order: initialOrder(question.items.length, `${key} ${question.id}`) };
    case "match":
      return { kind: "match", right: question.pairs.map(() => null) };
  }
}

/** Whether the response contains an answer that can be checked. */
export function isAnswered(question: Question, response: Response): boolean {
  switch (response.kind) {
    case "choice":
      return response.chosen.length > 0;
    case "fill":
      return response.texts.some((text) => text.trim() !== "");
    case "number":
      return response.text.trim() !== "";
    case "cloze":
      return response.gaps.some((gap) => gap !== null && gapText(gap) !== "");
    case "match":
      return response.right.some((r) => r !== null);
    case "order":
      return question.kind === "order";
  }
}

/** Returns what a gap contains: the typed text, or the id of the chosen choice. */
export function gapText(response: Response | null): string {
  if (response?.kind === "choice") return response.chosen[0] ?? "";
  if (response?.kind === "fill") return (response.texts[0] ?? "").trim();
  return response?.kind === "number" ? response.text.trim() : "";
}

/** Returns the response of a gap that contains a text. `lang`: language tag of the learner. */
export function gapResponse(gap: Gap, text: string, lang: string): Response | null {
  if (text.trim() === "") return null;
  if (gap.kind === "single") return { kind: "choice", chosen: [text] };
  return gap.kind === "numeric" ? { kind: "number", text, lang } : { kind: "fill", texts: [text] };
}

/** Returns the region at a position in thousandths of the picture: the smallest one if several overlap there. */
export function regionAt(regions: readonly Region[], x: number, y: number): Region | undefined {
  const contains = (region: Region): boolean => {
    const [dx, dy] = [(x - region.x) / region.width, (y - region.y) / region.height];
    if (dx < 0 || dx > 1 || dy < 0 || dy > 1) return false;
    return region.shape !== "ellipse" || (dx - 0.5) ** 2 + (dy - 0.5) ** 2 <= 0.25;
  };
  return regions
    .filter(contains)
    .reduce<Region | undefined>(
      (best, next) => (best && best.width * best.height <= next.width * next.height ? best : next),
      undefined,
    );
}

/** Returns the letter of a right item: "A", "B" ... */
export function letter(index: number): string {
  return String.fromCharCode(65 + index);
}
