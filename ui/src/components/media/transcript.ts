//! Interactive transcripts: marks words that match a caption, so that they can seek to its time.
import type { Cue } from "./captions";

const normalize = (text: string): string => text.replace(/\s+/g, " ").trim().toLowerCase();

/** Limits the search to about a second. With a transcript unrelated to its captions, it would take minutes. */
export const MAX_COMPARISONS = 200_000;

/**
 * Wraps the words of each cue in `<span data-cue="n" role="button" tabindex="0">`, in order. Skips cues that are not
 * found within one text node. Returns the number of cues found.
 */
export function markCues(root: ParentNode & Node, cues: readonly Cue[]): number {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes: Text[] = [];
  while (walker.nextNode()) nodes.push(walker.currentNode as Text);
  let found = 0;
  let from = 0;
  let left = MAX_COMPARISONS;
  const texts = cues.map((cue) => normalize(cue.text));
  for (const node of nodes) {
    if (left <= 0) break;
    let rest: Text = node;
    // A text node may contain several cues: after a match, the search continues in the rest.
    for (let n = from; n < cues.length; n++) {
      // The cost of a comparison grows with the length of the text.
      const cost = 1 + rest.data.length / 200;
      left -= cost;
      const at = locate(rest.data, texts[n]!);
      if (!at) {
        // A later text node may contain this cue, or it is missing: search for later cues in this node.
        let next = n + 1;
        while (next < cues.length && (left -= cost) > 0 && !locate(rest.data, texts[next]!)) next += 1;
        if (next < cues.length && left > 0) {
          n = next - 1;
          continue;
        }
        break;
      }
      const words = rest.splitText(at.start);
      rest = words.splitText(at.end - at.start);
      const span = document.createElement("span");
      span.dataset["cue"] = String(n);
      span.setAttribute("role", "button");
      span.tabIndex = 0;
      words.replaceWith(span);
      span.append(words);
      found += 1;
      from = n + 1;
    }
  }
  return found;
}

interface FlatText {
  text: string;
  /** `text` in lower case, with white space collapsed to one space. */
  flat: string;
  /** For each character of `flat`, its index in `text`. */
  at: number[];
}
/** The last flattened text, cached because many captions are searched for in it. */
let cached: FlatText = { text: "", flat: "", at: [] };

function flatten(text: string): FlatText {
  if (cached.text === text) return cached;
  let flat = "";
  const at: number[] = [];
  let blankBefore = true;
  for (let i = 0; i < text.length; i++) {
    const blank = /\s/.test(text[i]!);
    if (blank && blankBefore) continue;
    blankBefore = blank;
    const letters = blank ? " " : text[i]!.toLowerCase();
    for (const letter of letters) {
      flat += letter;
      at.push(i);
    }
  }
  cached = { text, flat, at };
  return cached;
}

/** Finds `wanted` (normalized) in `text`, ignoring case and differences in white space. */
function locate(text: string, wanted: string): { start: number; end: number } | undefined {
  if (!wanted) return undefined;
  const { flat, at } = flatten(text);
  const start = flat.indexOf(wanted);
  if (start < 0) return undefined;
  return { start: at[start]!, end: at[start + wanted.length - 1]! + 1 };
}
