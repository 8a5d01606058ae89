//! Paints the passages of notes, and adds a marker for each that can be focused. The CSS Custom Highlight API paints
//! without changing the page; where it is missing, the passages are wrapped in `<mark>`. Assistive technology reads the
//! markers.
import type { NoteMark } from "../../api/types";

export interface Painted {
  range: Range;
  mark: NoteMark;
}

export const COLOURS = ["yellow", "green", "blue", "pink"] as const satisfies readonly NoteMark[];

const canHighlight = (): boolean => typeof CSS !== "undefined" && "highlights" in CSS;

/** Paints passages instead of those painted before. Bookmarks are not painted. */
export function paint(passages: readonly Painted[]): void {
  const painted = passages.filter(({ mark }) => mark !== "bookmark");
  if (!canHighlight()) {
    for (const { range, mark } of painted) wrap(range, mark);
    return;
  }
  for (const colour of COLOURS) {
    const ranges = painted.filter(({ mark }) => mark === colour).map(({ range }) => range);
    if (ranges.length > 0) CSS.highlights.set(`note-${colour}`, new Highlight(...ranges));
    else CSS.highlights.delete(`note-${colour}`);
  }
}

/** Removes what `paint` and `addMarker` added to `root`. */
export function clear(root: Element): void {
  if (canHighlight()) for (const colour of COLOURS) CSS.highlights.delete(`note-${colour}`);
  for (const marker of root.querySelectorAll("[data-note-marker]")) {
    const parent = marker.parentNode;
    marker.remove();
    parent?.normalize();
  }
  for (const mark of root.querySelectorAll("mark[data-note-mark]")) {
    const parent = mark.parentNode;
    mark.replaceWith(...mark.childNodes);
    parent?.normalize();
  }
}

function wrap(range: Range, mark: NoteMark): void {
  const common = range.commonAncestorContainer;
  const nodes: Text[] = [];
  if (common instanceof Text) nodes.push(common);
  else {
    const walker = document.createTreeWalker(common, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) if (range.intersectsNode(walker.currentNode)) nodes.push(walker.currentNode as Text);
  }
  const { startContainer, startOffset, endContainer, endOffset } = range;
  for (const node of nodes) {
    const from = node === startContainer ? startOffset : 0;
    const to = node === endContainer ? endOffset : node.length;
    // White space between blocks must not become an inline element.
    if (to <= from || node.data.slice(from, to).trim() === "") continue;
    const part = from > 0 ? node.splitText(from) : node;
    if (to - from < part.length) part.splitText(to - from);
    const element = document.createElement("mark");
    element.dataset["noteMark"] = mark;
    part.replaceWith(element);
    element.append(part);
  }
}

/** Adds a marker at the end of a passage. It has no text, so that the text of the block stays the same. */
export function addMarker(range: Range, label: string, isBookmark: boolean, open: () => void): void {
  const button = marker(label, isBookmark, open);
  const { endContainer } = range;
  const parent = endContainer instanceof Element ? endContainer : endContainer.parentElement;
  // A button must not be within a link or a formula.
  const outer = parent?.closest("a, button, math");
  if (outer) {
    outer.after(button);
    return;
  }
  const end = range.cloneRange();
  end.collapse(false);
  end.insertNode(button);
}
export function marker(label: string, isBookmark: boolean, open: () => void): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "note-marker";
  button.dataset["noteMarker"] = isBookmark ? "bookmark" : "note";
  button.setAttribute("aria-label", label);
  button.title = label;
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    open();
  });
  return button;
}
