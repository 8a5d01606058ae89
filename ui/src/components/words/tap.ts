//! The word at a place of the page: from a tap, a double click or the word picker.

/** A place in a paragraph or sentence. Offsets are UTF-16 code units of the text of `block`. */
export interface WordPlace {
  block: HTMLElement;
  text: string;
  at: number;
  lang: string;
  /** Chosen on purpose, so that the answer is shown also if no dictionary has the word. */
  isExplicit: boolean;
  /** Gets the focus when the card is closed. */
  origin?: HTMLElement | undefined;
}

const BLOCKS = "p, li, h1, h2, h3, h4, h5, h6, td, th, dd, dt, blockquote, figcaption, [data-word-block], .rich";
/** Elements that do something else on a tap, or are no text. */
const NOT_WORDS =
  "a, button, input, label, select, textarea, summary, audio, video, svg, pre, code, math, [contenteditable], [data-no-words]";
/** A word may have this many code units before and after its place that are sent. */
const MAX_TEXT = 8000;

const segmenters = new Map<string, Intl.Segmenter>();
function segmenter(lang: string, granularity: "word" | "sentence"): Intl.Segmenter {
  const key = `${granularity} ${lang}`;
  let found = segmenters.get(key);
  if (!found) {
    try {
      found = new Intl.Segmenter(lang || undefined, { granularity });
    } catch {
      // Not a language tag.
      found = new Intl.Segmenter(undefined, { granularity });
    }
    segmenters.set(key, found);
  }
  return found;
}

export function blockOf(element: Element | null, root: Element): HTMLElement | undefined {
  const block = element?.closest<HTMLElement>(BLOCKS);
  return block && root.contains(block) ? block : undefined;
}
const languageOf = (element: Element): string => element.closest<HTMLElement>("[lang]")?.lang ?? "";

/** Returns the text node and the offset at a point of the window. */
function caret(x: number, y: number): { node: Text; offset: number } | undefined {
  const found = document.caretPositionFromPoint?.(x, y);
  if (found) return found.offsetNode instanceof Text ? { node: found.offsetNode, offset: found.offset } : undefined;
  // WebKit.
  const range = document.caretRangeFromPoint?.(x, y);
  return range?.startContainer instanceof Text ? { node: range.startContainer, offset: range.startOffset } : undefined;
}

/** Returns the offset of a place in the text of a block. */
function offsetIn(block: HTMLElement, node: Text, offset: number): number {
  const range = document.createRange();
  range.setStart(block, 0);
  range.setEnd(node, offset);
  return range.toString().length;
}

/** Returns the range of a part of the text of a block; `undefined` if the text is shorter. */
export function rangeIn(block: HTMLElement, start: number, end: number): Range | undefined {
  const range = document.createRange();
  const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  let before = 0;
  let isOpen = false;
  while (walker.nextNode()) {
    const node = walker.currentNode as Text;
    const after = before + node.length;
    if (!isOpen && start < after) {
      range.setStart(node, start - before);
      isOpen = true;
    }
    if (isOpen && end <= after) {
      range.setEnd(node, end - before);
      return range;
    }
    before = after;
  }
  return undefined;
}

/** Returns the word under a pointer; `undefined` if there is none, or something else reacts to the tap. */
export function wordAt(root: Element, event: MouseEvent, isExplicit = false): WordPlace | undefined {
  const target = event.target as Element;
  if (event.defaultPrevented || target.closest(NOT_WORDS)) return undefined;
  const found = caret(event.clientX, event.clientY);
  const block = found && blockOf(found.node.parentElement, root);
  if (!block || found.node.parentElement?.closest(NOT_WORDS)) return undefined;
  // A place beside the text has the nearest character, which was not tapped.
  const near = document.createRange();
  near.setStart(found.node, Math.max(0, found.offset - 1));
  near.setEnd(found.node, Math.min(found.node.length, found.offset + 1));
  const isHit = [...near.getClientRects()].some(
    (box) =>
      event.clientX >= box.left - 2 &&
      event.clientX <= box.right + 2 &&
      event.clientY >= box.top - 2 &&
      event.clientY <= box.bottom + 2,
  );
  if (!isHit) return undefined;
  return { ...placeIn(block, offsetIn(block, found.node, found.offset)), isExplicit };
}

/** Returns a place with the part of a long text around it. */
export function placeIn(block: HTMLElement, at: number): Omit<WordPlace, "isExplicit"> {
  return { block, text: block.textContent, at, lang: languageOf(block) };
}

/** Returns the part of the text that is sent to the core, and the place in it. */
export function sent(place: WordPlace): { text: string; at: number; from: number } {
  const from = place.text.length > MAX_TEXT ? Math.max(0, place.at - MAX_TEXT / 2) : 0;
  return { text: place.text.slice(from, from + MAX_TEXT), at: place.at - from, from };
}

/** Returns the sentence around a place, without white space at its ends. */
export function sentenceAt(text: string, at: number, lang: string): string {
  // A line break of the source ends no sentence.
  const plain = text.replace(/\s/g, " ");
  const found = segmenter(lang, "sentence")
    .segment(plain)
    .containing(Math.min(at, plain.length - 1));
  return (found?.segment ?? plain).trim().replace(/ +/g, " ").slice(0, 600);
}

/** A word that can be chosen: its block, and its place in the text of the block. */
export interface PickedWord {
  block: HTMLElement;
  start: number;
  end: number;
  text: string;
}

/** Returns the words of the visible text of `root` in order, without those in controls, code and formulas. */
export function wordsOf(root: Element): PickedWord[] {
  const words: PickedWord[] = [];
  const seen = new Set<HTMLElement>();
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const block = blockOf(walker.currentNode.parentElement, root);
    // A list inside an item is a block of its own.
    if (!block || seen.has(block) || block.closest("[hidden], .visually-hidden, [data-no-words]")) continue;
    seen.add(block);
    for (const word of segmenter(languageOf(block), "word").segment(block.textContent)) {
      if (!word.isWordLike) continue;
      const range = rangeIn(block, word.index, word.index + word.segment.length);
      const parent = range?.startContainer.parentElement;
      if (!parent || blockOf(parent, root) !== block) continue;
      // Marked words are buttons or links of their own, but words too.
      const control = parent.closest(NOT_WORDS);
      if (control && !control.matches("[data-word], .word")) continue;
      words.push({ block, start: word.index, end: word.index + word.segment.length, text: word.segment });
    }
  }
  return words;
}

/** Marks a range while its card or the picker is open. */
export function highlight(range: Range | undefined): void {
  if (typeof CSS === "undefined" || !("highlights" in CSS)) return;
  if (range) CSS.highlights.set("word", new Highlight(range));
  else CSS.highlights.delete("word");
}

/**
 * Calls `onword` for the word under a tap. `narrated`: a tap narrates the sentence, so only a double click and a long
 * press choose a word.
 */
export function tapWords(onword: (place: WordPlace) => void, narrated: () => boolean = () => false) {
  return (root: HTMLElement): (() => void) => {
    const find = (event: MouseEvent, isExplicit: boolean): void => {
      const place = wordAt(root, event, isExplicit);
      if (!place) return;
      if (event.type === "contextmenu") event.preventDefault();
      onword(place);
    };
    const click = (event: MouseEvent): void => {
      const selection = getSelection();
      // A click that ends a selection, or the second of a double click.
      if (narrated() || event.detail > 1 || (selection && !selection.isCollapsed)) return;
      find(event, false);
    };
    const doubleClick = (event: MouseEvent): void => {
      if (narrated()) find(event, true);
    };
    const longPress = (event: MouseEvent): void => {
      if (narrated() && (event as PointerEvent).pointerType === "touch") find(event, true);
    };
    root.addEventListener("click", click);
    root.addEventListener("dblclick", doubleClick);
    root.addEventListener("contextmenu", longPress);
    return () => {
      root.removeEventListener("click", click);
      root.removeEventListener("dblclick", doubleClick);
      root.removeEventListener("contextmenu", longPress);
    };
  };
}
