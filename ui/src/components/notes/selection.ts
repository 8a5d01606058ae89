//! The passage of a lesson that is selected, or the paragraph that is being read.
import type { NotePlace, SectionBody } from "../../api/types";
import { plainText, TextMap } from "./text";

export interface Passage {
  place: NotePlace["passage"];
  quote: string;
}

/** Returns the element with the text of a block; `undefined` if its text is not in the page as it is compiled. */
export function textRoot(block: Element): Element | undefined {
  // A page of a story.
  if (block.matches(".story-text")) return block;
  return block.matches(".rich_text, .math") ? (block.querySelector(".rich") ?? undefined) : undefined;
}
export const blockNumber = (block: Element): number => Number((block as HTMLElement).dataset["block"]);

function inBlock(block: Element, range: Range): Passage | undefined {
  const root = textRoot(block);
  if (!root || !range.intersectsNode(root)) return undefined;
  const map = new TextMap(root);
  const offsets = map.offsets(range);
  return offsets && { place: { block: blockNumber(block), ...offsets }, quote: map.slice(offsets.start, offsets.end) };
}

/** Returns the parts of a range in the blocks of `text`. */
export function passagesOf(text: Element, range: Range): Passage[] {
  return [...text.querySelectorAll("[data-block]")].flatMap((block) => inBlock(block, range) ?? []);
}

/** Returns the selected range if it is in `text`. */
export function selectedRange(text: Element): Range | undefined {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || selection.rangeCount === 0) return undefined;
  const range = selection.getRangeAt(0);
  // A selection within a field, or outside of the text, is not a passage.
  return text.contains(range.commonAncestorContainer) || range.intersectsNode(text) ? range : undefined;
}

/**
 * Returns the paragraph at the line that is being read, or the whole block if it has no paragraphs; in a story, the
 * sentence that is being narrated, if there is one. `body`: that of a section.
 */
export function currentPassage(text: Element, body?: SectionBody): Passage | undefined {
  const line = innerHeight * 0.3;
  const blocks = [...text.querySelectorAll("[data-block]")];
  const focused = document.activeElement?.closest("[data-block]");
  const block =
    blocks.find((one) => one === focused) ??
    blocks.findLast((one) => one.getBoundingClientRect().top <= line) ??
    blocks[0];
  if (!block) return undefined;
  const root = textRoot(block);
  if (!root) {
    const content = body?.blocks[blockNumber(block)];
    const quote = content ? plainText(content) : "";
    return quote ? { place: { block: blockNumber(block), start: 0, end: [...quote].length }, quote } : undefined;
  }
  const paragraphs = [...root.querySelectorAll("p, li, h1, h2, h3, h4, h5, h6, pre, tr, blockquote")].filter(
    (one) => !one.querySelector("p, li, blockquote"),
  );
  const paragraph =
    root.querySelector(".sentence.now") ??
    paragraphs.findLast((one) => one.getBoundingClientRect().top <= line) ??
    paragraphs[0] ??
    root;
  const range = document.createRange();
  range.selectNodeContents(paragraph);
  return inBlock(block, range);
}
