//! Marks of the parts of an answer: of each choice, gap, item to order and left side of a pair.
import type { AcceptedNumber, PartResult, Question, Response } from "../../api/types";
import { plainNumber } from "../../i18n/format";
import { gapText } from "./answers";

/**
 * `missed`: right, but not chosen or left empty. `open`: neither chosen nor right, nothing to show. `accent`: right but
 * for an accent. `nearly`: one typing error. `partly`: a number for a part of the points.
 */
export type Mark = "right" | "wrong" | "missed" | "open" | "accent" | "nearly" | "partly";

export interface QuestionPoints {
  points: number;
  maxPoints: number;
  /** For a fill-in question, whether each blank is right, as the core decided. */
  blanks?: readonly boolean[];
  /** For a typed answer, what the core says about each blank, number or gap. */
  parts?: readonly PartResult[];
}

const PLAIN = /^(?:em|strong|b|i|u|span|small|mark|a|bdi)$/;
const known = new Map<string, string>();

/**
 * Returns what a learner reads of an item, for comparison. Emphasis and links are ignored. Markup that changes the
 * meaning (superscripts, formulas, pictures) is part of it: 10² is not 102.
 */
export function comparable(html: string): string {
  let text = known.get(html);
  if (text === undefined) {
    const { body } = new DOMParser().parseFromString(html, "text/html");
    const plain = [...body.querySelectorAll("*")].every((e) => PLAIN.test(e.localName));
    text = (plain ? (body.textContent ?? "") : body.innerHTML).normalize("NFC").replace(/\s+/g, " ").trim();
    known.set(html, text);
  }
  return text;
}

/** Returns the text of an item without its tags. A picture is represented by its alternative text. */
export function plainText(html: string): string {
  const { body } = new DOMParser().parseFromString(html, "text/html");
  for (const image of body.querySelectorAll("img")) image.replaceWith(image.alt);
  return (body.textContent ?? "").replace(/\s+/g, " ").trim();
}

/** Marks the items in the learner's order: right if it follows the same text as in the right order. */
function marksOfOrder(items: readonly string[], order: readonly number[]): Mark[] {
  const right = items.map(comparable);
  const given = order.map((index) => right[index] ?? "");
  if (given.length === right.length && given.every((text, at) => text === right[at])) return given.map(() => "right");
  const before = (texts: readonly string[], at: number): string => JSON.stringify([texts[at - 1] ?? null, texts[at]]);
  const left = new Map<string, number>();
  for (let at = 0; at < right.length; at++) {
    const key = before(right, at);
    left.set(key, (left.get(key) ?? 0) + 1);
  }
  return given.map((_, at) => {
    const key = before(given, at);
    const count = left.get(key) ?? 0;
    left.set(key, count - 1);
    return count > 0 ? "right" : "wrong";
  });
}

/**
 * Gives equal items their positions, and equal left sides their partners, so that equal words are interchangeable
 * although an answer consists of indices. The learner sees the same texts.
 */
export function canonical(question: Question, response: Response): Response {
  if (question.kind === "order" && response.kind === "order") {
    const texts = question.items.map(comparable);
    const indices = new Map<string, number[]>();
    for (const [index, text] of texts.entries()) indices.set(text, [...(indices.get(text) ?? []), index]);
    return { kind: "order", order: response.order.map((index) => indices.get(texts[index] ?? "")?.shift() ?? index) };
  }
  if (question.kind === "match" && response.kind === "match") {
    const lefts = question.pairs.map((pair) => comparable(pair[0]));
    const rights = question.pairs.map((pair) => comparable(pair[1]));
    const right = [...response.right];
    const fits = (at: number): boolean => right[at] != null && rights[right[at]] === rights[at];
    for (let at = 0; at < right.length; at++) {
      if (fits(at)) continue;
      const other = right.findIndex(
        (index, from) =>
          from !== at && lefts[from] === lefts[at] && index !== null && rights[index] === rights[at] && !fits(from),
      );
      if (other >= 0) [right[at], right[other]] = [right[other]!, right[at]!];
    }
    return { kind: "match", right };
  }
  return response;
}

/** Returns the mark of a typed text or of a gap. */
function markOfPart(part: PartResult, given: string): Mark {
  if (given.trim() === "") return "missed";
  if (part.matched === "accent" || part.matched === "nearly") return part.matched;
  return part.percent >= 100 ? "right" : part.percent > 0 ? "partly" : "wrong";
}

/** Returns an accepted number as it is shown: that for the most points. */
export function shownNumber(answers: readonly AcceptedNumber[]): string {
  const best = answers.reduce<AcceptedNumber | undefined>(
    (have, next) => (have && (have.percent ?? 100) >= (next.percent ?? 100) ? have : next),
    undefined,
  );
  if (!best) return "";
  const value = plainNumber(best.value);
  const range = best.to === undefined ? value : `${value} – ${plainNumber(best.to)}`;
  return best.unit ? `${range} ${best.unit}` : range;
}

/**
 * Returns one mark for each choice (in the order of the question), gap, item (in the learner's order) or left side.
 * Full points of the core mark every given part as right. Typed answers are compared only by the core.
 */
export function marksOf(question: Question, response: Response, result: QuestionPoints): Mark[] {
  const full = result.points >= result.maxPoints;
  if ((question.kind === "single" || question.kind === "multiple") && response.kind === "choice")
    return question.choices.map((choice): Mark => {
      const chosen = response.chosen.includes(choice.id);
      return choice.correct ? (chosen ? "right" : "missed") : chosen ? "wrong" : "open";
    });
  if (question.kind === "hotspot" && response.kind === "choice")
    return question.regions.map((region): Mark => {
      const chosen = response.chosen.includes(region.id);
      return region.correct ? (chosen ? "right" : "missed") : chosen ? "wrong" : "open";
    });
  if (question.kind === "fill" && response.kind === "fill")
    return question.blanks.map((_, i): Mark => {
      const part = result.parts?.[i];
      if (part) return markOfPart(part, response.texts[i] ?? "");
      if (full || result.blanks?.[i]) return "right";
      return (response.texts[i] ?? "").trim() === "" ? "missed" : "wrong";
    });
  if (question.kind === "numeric" && response.kind === "number")
    return [result.parts?.[0] ? markOfPart(result.parts[0], response.text) : full ? "right" : "wrong"];
  if (question.kind === "cloze" && response.kind === "cloze")
    return question.gaps.map((_, i): Mark => {
      const [part, given] = [result.parts?.[i], gapText(response.gaps[i] ?? null)];
      return part ? markOfPart(part, given) : full ? "right" : given === "" ? "missed" : "wrong";
    });
  if (question.kind === "order" && response.kind === "order")
    return full ? response.order.map(() => "right") : marksOfOrder(question.items, response.order);
  if (question.kind === "match" && response.kind === "match") {
    // `canonical` moves a partner only between equal left sides, so a position keeps its left text.
    const { right } = canonical(question, response) as Extract<Response, { kind: "match" }>;
    return question.pairs.map((pair, i): Mark => {
      const chosen = right[i];
      if (chosen === null || chosen === undefined) return "missed";
      return full || comparable(question.pairs[chosen]?.[1] ?? "") === comparable(pair[1]) ? "right" : "wrong";
    });
  }
  return [];
}

/** Returns the right answer as parts: choices, gaps, items in order, or pairs. */
export function rightAnswer(question: Question): string[] {
  switch (question.kind) {
    case "single":
    case "multiple":
      return question.choices.filter((choice) => choice.correct).map((choice) => plainText(choice.text));
    case "fill":
      return question.blanks.map((accepted) => accepted[0] ?? "");
    case "numeric":
      return [shownNumber(question.answers)];
    case "cloze":
      return question.gaps.flatMap((gap) => rightAnswer({ ...gap, id: "", prompt: "", points: 1, explanation: "" }));
    case "hotspot":
      return question.regions.filter((region) => region.correct).map((region) => plainText(region.label));
    case "unknown":
      return [];
    case "order":
      return question.items.map(plainText);
    case "match":
      return question.pairs.map(([left, right]) => `${plainText(left)} – ${plainText(right)}`);
  }
}
