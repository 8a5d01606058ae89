import { describe, expect, it } from "vitest";
import type { Page, Sentence } from "../src/api/types";
import { cueAt, parseCues } from "../src/components/media/captions";
import { formatBlockPosition, firstFrameBlocks, parseBlockPosition } from "../src/features/lesson/position";
import { parseStoryPosition, pieces, sentenceAt, spanOf, formatStoryPosition } from "../src/features/story/timing";
import { partners } from "../src/features/story/twoTexts";

const sentence = (text: string, startMs?: number, endMs?: number, words: Sentence["words"] = []): Sentence => ({
  text,
  paragraph: false,
  words,
  ...(startMs === undefined ? {} : { startMs }),
  ...(endMs === undefined ? {} : { endMs }),
});
const page: Page = {
  narration: { title: "", hash: "h", size: 1, type: "audio/mpeg", durationMs: 9000, transcript: "" },
  sentences: [sentence("One.", 500, 2000), sentence("Two.", 2400, 4000), sentence("Three.", 4000)],
};

describe("narration", () => {
  it("finds the sentence at each time; a pause belongs to the sentence before it", () => {
    const table: [number, number][] = [
      [0, -1],
      [499, -1],
      [500, 0],
      [1999, 0],
      [2200, 0],
      [2400, 1],
      [3999, 1],
      [4000, 2],
      [99_000, 2],
    ];
    for (const [ms, index] of table) expect(sentenceAt(page.sentences, ms), `${ms}`).toBe(index);
  });
  it("highlights nothing without times", () => {
    expect(sentenceAt([sentence("One."), sentence("Two.")], 100)).toBe(-1);
    expect(spanOf({ sentences: [sentence("One.")] }, 0)).toBeUndefined();
  });
  it("ends a sentence at its end, the next start, or the end of the recording", () => {
    expect(spanOf(page, 0)).toEqual({ start: 500, end: 2000 });
    expect(spanOf({ ...page, sentences: [sentence("a", 0), sentence("b", 800)] }, 0)).toEqual({ start: 0, end: 800 });
    expect(spanOf(page, 2)).toEqual({ start: 4000, end: 9000 });
    expect(spanOf(page, 7)).toBeUndefined();
    // An end after the next start would never be reached.
    const late = { ...page, sentences: [sentence("a", 0, 1200), sentence("b", 800, 20_000)] };
    expect([spanOf(late, 0), spanOf(late, 1)]).toEqual([
      { start: 0, end: 800 },
      { start: 800, end: 20_000 },
    ]);
  });
});

describe("two languages", () => {
  const text = (...lengths: (number | "¶")[]): Sentence[] => {
    const out: Sentence[] = [];
    let paragraph = true;
    for (const length of lengths) {
      if (length === "¶") paragraph = true;
      else {
        out.push({ ...sentence("x".repeat(length)), paragraph });
        paragraph = false;
      }
    }
    return out;
  };
  const one = (index: number) => ({ from: index, to: index + 1 });
  it("sentences go together on pages of the same structure and similar lengths", () => {
    expect(partners(text(10, 20, "¶", 30), text(14, 22, "¶", 25))).toEqual([one(0), one(1), one(2)]);
    // Letters count, not characters: marks of punctuation and spaces differ between scripts.
    const spaced = [sentence("« a ! »"), sentence("b b b b b b b b b b b b")];
    const plain = [sentence("a"), sentence("bbbbbbbbbbbb")];
    expect(partners(spaced, plain)).toEqual([one(0), one(1)]);
    // Other paragraphs: only if the lengths agree closely.
    expect(partners(text(10, 20, "¶", 30), text(10, "¶", 22, 30))).toEqual([one(0), one(1), one(2)]);
    expect(partners(text(20, 20, "¶", 20), text(30, "¶", 18, 18))[1]).toBeUndefined();
  });
  it("a page as long, but cut differently, has no pairs of sentences", () => {
    // The first two sentences are joined, the last one is cut.
    expect(partners(text(20, 20, 20), text(40, 10, 10))).toEqual([undefined, undefined, undefined]);
    expect(partners(text(20, 20), text(20, 10, 10))).toEqual([undefined, undefined]);
    expect(partners([], text(1))).toEqual([]);
    expect(partners(text(5), [])).toEqual([undefined]);
  });
  it("else paragraphs go together, if the place is clear", () => {
    const [a, b] = [text(20, 20, "¶", 30, 30), text(40, "¶", 20, 20, 20)];
    expect(partners(a, b)).toEqual([
      { from: 0, to: 1 },
      { from: 0, to: 1 },
      { from: 1, to: 4 },
      { from: 1, to: 4 },
    ]);
    expect(partners(b, a)).toEqual([{ from: 0, to: 2 }, ...Array.from({ length: 3 }, () => ({ from: 2, to: 4 }))]);
    // Another number of paragraphs: a sentence near the border of one belongs to none.
    const c = text(20, 15, 10, 10, 15, 20);
    const d = text(45, "¶", 22, 23);
    expect(partners(c, d)).toEqual([
      { from: 0, to: 1 },
      { from: 0, to: 1 },
      undefined,
      undefined,
      { from: 1, to: 3 },
      { from: 1, to: 3 },
    ]);
    expect(partners(text(20, "¶", 20), text(20, 20, 20))).toEqual([undefined, undefined]);
  });
});

describe("words in a sentence", () => {
  it("are separated by UTF-16 offsets, also after emoji and in Arabic", () => {
    expect(pieces(sentence("🔥 Fire cooks.", 0, 1, [{ start: 8, end: 13, word: "cook" }]))).toEqual([
      { text: "🔥 Fire " },
      { text: "cooks", word: "cook" },
      { text: "." },
    ]);
    expect(pieces(sentence("جاءت قطة", 0, 1, [{ start: 5, end: 8, word: "qitta" }]))).toEqual([
      { text: "جاءت " },
      { text: "قطة", word: "qitta" },
    ]);
  });
  it("that overlap or are out of range are skipped; the text stays complete", () => {
    const invalid = sentence("abc def", 0, 1, [
      { start: 4, end: 7, word: "d" },
      { start: 0, end: 5, word: "x" },
      { start: 6, end: 99, word: "y" },
    ]);
    expect(
      pieces(invalid)
        .map((p) => p.text)
        .join(""),
    ).toBe("abc def");
  });
});

describe("positions", () => {
  it("in the first frame, only blocks that fill the window are rendered", () => {
    const text = (length: number) => ({ kind: "rich_text" as const, html: "x".repeat(length) });
    expect(firstFrameBlocks([])).toBe(0);
    expect(firstFrameBlocks([text(100), text(100)], 800)).toBe(2);
    expect(firstFrameBlocks([text(2_000), text(600), text(600)], 1_200)).toBe(2);
    expect(firstFrameBlocks([text(2_000), text(600), text(600)], 800)).toBe(1);
    expect(firstFrameBlocks([text(9_000), text(1)])).toBe(1);
  });
  it("are written from 1 and read back", () => {
    expect(formatStoryPosition(2, 1)).toBe("p3.s2");
    expect(parseStoryPosition("p3.s2")).toEqual({ page: 2, sentence: 1 });
    expect(parseStoryPosition(formatStoryPosition(4, -1))).toEqual({ page: 4, sentence: -1 });
    expect(parseBlockPosition(formatBlockPosition(6))).toBe(6);
  });
  it("of another kind are rejected", () => {
    for (const bad of [null, "", "t61500", "p", "p1.s", "b7x", "x"]) {
      expect(parseStoryPosition(bad)).toBeUndefined();
      expect(parseBlockPosition(bad)).toBeUndefined();
    }
  });
});

describe("captions", () => {
  it("are parsed with and without hours; markup and invalid cues are dropped", () => {
    const cues = parseCues(
      "WEBVTT\r\n\r\n1\r\n00:00.500 --> 00:02.000\r\n<v Ann>Hello <b>there</b>\r\n\r\n01:00:01.000 --> 01:00:02.000\r\nLater\r\n\r\n00:05.000 --> 00:04.000\r\nbackwards\r\n\r\nNOTE nothing",
    );
    expect(cues).toEqual([
      { start: 500, end: 2000, text: "Hello there" },
      { start: 3_601_000, end: 3_602_000, text: "Later" },
    ]);
    expect(cueAt(cues, 1999)?.text).toBe("Hello there");
    expect(cueAt(cues, 2000)).toBeUndefined();
  });
});
