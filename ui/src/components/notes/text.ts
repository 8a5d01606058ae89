//! The text of a block as the core computes it (crates/learning/src/notes/text.rs), with its place in the page: folded
//! (composed characters, single spaces), counted in Unicode scalar values. Both sides pass the cases of
//! crates/learning/tests/learning/note_texts.json.
import type { SectionBody } from "../../api/types";

type Block = SectionBody["blocks"][number];

/** Elements whose edges do not separate words. */
const INLINE = new Set([
  "a",
  "abbr",
  "b",
  "code",
  "del",
  "em",
  "i",
  "input",
  "kbd",
  "mark",
  "span",
  "strong",
  "sub",
  "sup",
]);
const SPACE = /[\u0009-\u000d \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Whether an element was added for a note and is not part of the text. */
const isMarker = (element: Element): boolean => element.hasAttribute("data-note-marker");

/** Offsets in a text; `end` is exclusive. */
export interface Offsets {
  start: number;
  end: number;
}

/** The text of an element, and where its characters are in the page. */
export class TextMap {
  /** UTF-16 code units with their text nodes; `undefined`: the edge of an element. */
  readonly #units: string[] = [];
  readonly #nodes: (Text | undefined)[] = [];
  readonly #offsets: number[] = [];
  /** For each character: its first code unit, and the one after its last. */
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  readonly #characters: string[] = [];

  constructor(root: Element) {
    this.#read(root, false);
    this.#fold();
  }
  get text(): string {
    return this.#characters.join("");
  }
  /** Number of characters. */
  get length(): number {
    return this.#characters.length;
  }
  /** Returns the characters from `start` to `end`. */
  slice(start: number, end: number): string {
    return this.#characters.slice(start, end).join("");
  }

  /** Returns the range of characters in the page; `undefined` if they are not in the text. */
  range({ start, end }: Offsets): Range | undefined {
    if (start < 0 || start >= end || end > this.length) return undefined;
    let first = this.#from[start]!;
    let last = this.#to[end - 1]! - 1;
    while (first < last && !this.#nodes[first]) first++;
    while (last > first && !this.#nodes[last]) last--;
    const [from, to] = [this.#nodes[first], this.#nodes[last]];
    if (!from || !to) return undefined;
    const range = document.createRange();
    range.setStart(from, this.#offsets[first]!);
    range.setEnd(to, this.#offsets[last]! + 1);
    return range;
  }
  /** Returns the characters that a range contains, without spaces at the ends; `undefined` if there are none. */
  offsets(range: Range): Offsets | undefined {
    const touched = new Map<Text, boolean>();
    const contains = (unit: number): boolean => {
      const node = this.#nodes[unit];
      if (!node) return false;
      let isTouched = touched.get(node);
      if (isTouched === undefined) touched.set(node, (isTouched = range.intersectsNode(node)));
      const offset = this.#offsets[unit]!;
      return (
        isTouched &&
        (node !== range.startContainer || offset >= range.startOffset) &&
        (node !== range.endContainer || offset < range.endOffset)
      );
    };
    let start = -1;
    let end = -1;
    for (let at = 0; at < this.length; at++) {
      if (this.#characters[at] === " " || !contains(this.#from[at]!)) continue;
      if (start < 0) start = at;
      end = at + 1;
    }
    return start < 0 ? undefined : { start, end };
  }

  #add(unit: string, node: Text | undefined, offset: number): void {
    this.#units.push(unit);
    this.#nodes.push(node);
    this.#offsets.push(offset);
  }
  #read(parent: Node, inFormula: boolean): void {
    for (const child of parent.childNodes) {
      if (child instanceof Text) {
        for (let at = 0; at < child.data.length; at++) this.#add(child.data[at]!, child, at);
      } else if (child instanceof Element && !isMarker(child)) {
        const isFormula = inFormula || child.localName === "math";
        // Words of a story are buttons.
        const isInline = isFormula || INLINE.has(child.localName) || child.matches("button.word");
        if (!isInline) this.#add(" ", undefined, 0);
        this.#read(child, isFormula);
        if (!isInline) this.#add(" ", undefined, 0);
      }
    }
  }
  #fold(): void {
    const count = this.#units.length;
    let at = 0;
    for (;;) {
      const space = at;
      while (at < count && SPACE.test(this.#units[at]!)) at++;
      if (at === count) return;
      if (this.length > 0) this.#character(" ", space, at);
      const word = at;
      while (at < count && !SPACE.test(this.#units[at]!)) at++;
      this.#word(this.#units.slice(word, at).join(""), word);
    }
  }
  #word(word: string, start: number): void {
    const composed = word.normalize("NFC");
    let at = start;
    if (composed === word) {
      for (const character of word) {
        this.#character(character, at, at + character.length);
        at += character.length;
      }
      return;
    }
    // Characters that are composed belong to one grapheme cluster, unless the whole word does not say so.
    const clusters = [...graphemes.segment(word)].map(({ segment }) => segment);
    const isSplit = clusters.map((cluster) => cluster.normalize("NFC")).join("") === composed;
    for (const cluster of isSplit ? clusters : [word]) {
      for (const character of cluster.normalize("NFC")) this.#character(character, at, at + cluster.length);
      at += cluster.length;
    }
  }
  #character(character: string, from: number, to: number): void {
    this.#characters.push(character);
    this.#from.push(from);
    this.#to.push(to);
  }
}

function fold(text: string): string {
  const words = text.split(new RegExp(`${SPACE.source}+`)).filter((word) => word !== "");
  return words.map((word) => word.normalize("NFC")).join(" ");
}

/** Returns the text of a block that is not HTML: a whole one can have a bookmark or a note. */
export function plainText(block: Block): string {
  switch (block.kind) {
    case "image":
      return fold(block.image.caption || block.image.alt);
    case "audio":
      return fold(block.audio.title);
    case "video":
      return fold(block.video.title);
    case "code":
      return fold(block.text);
    case "quiz":
    case "story":
      return fold(block.title);
    case "rich_text":
    case "math":
      return "";
  }
}
