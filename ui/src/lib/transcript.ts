//! A transcript that one can tap: where the words of a caption stand in the text, they lead to its moment.
import type { Cue } from "./captions";

const squeeze = (text: string): string => text.replace(/\s+/g, " ").trim().toLowerCase();

/**
 * Wraps the words of each cue in `<span data-cue="n" role="button" tabindex="0">`, in order. Cues whose words are not there are passed over;
 * a cue over the border of two paragraphs too. Gives how many were found.
 */
export function markCues(root: ParentNode & Node, cues: readonly Cue[]): number {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes: Text[] = [];
  while (walker.nextNode()) nodes.push(walker.currentNode as Text);
  let found = 0;
  let from = 0;
  for (const node of nodes) {
    let rest: Text = node;
    // Several cues in one text: what is left behind the last one is a text of its own.
    for (let n = from; n < cues.length; n++) {
      const at = locate(rest.data, squeeze(cues[n]!.text));
      if (!at) {
        // The next paragraph may have it, or nobody has.
        if (cues.slice(n + 1).some((cue) => locate(rest.data, squeeze(cue.text)))) continue;
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

/** Where `wanted` (squeezed) stands in `text`, whatever the white space. */
function locate(text: string, wanted: string): { start: number; end: number } | undefined {
  if (!wanted) return undefined;
  let flat = "";
  const at: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const blank = /\s/.test(text[i]!);
    if (blank && (flat === "" || flat.endsWith(" "))) continue;
    const letters = blank ? " " : text[i]!.toLowerCase();
    for (const letter of letters) {
      flat += letter;
      at.push(i);
    }
  }
  const start = flat.indexOf(wanted);
  if (start < 0) return undefined;
  return { start: at[start]!, end: at[start + wanted.length - 1]! + 1 };
}
