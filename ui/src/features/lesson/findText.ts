//! Finds a text in a part of the page, ignoring case, accents and runs of white space.

/** One character of the searched text: the folded form, and where it is in the page. */
interface Position {
  node: Text;
  offset: number;
  length: number;
}

const MARKS = /\p{M}/gu;
/** Elements whose text is not read as part of the page. */
const SKIPPED = "script, style, annotation, .visually-hidden, [hidden]";
/** Elements that end a line of text: a match does not continue after them. */
const BLOCKS = "p, li, h1, h2, h3, h4, h5, h6, td, th, pre, figcaption, blockquote, dt, dd, div";

export function foldText(text: string): string {
  return text.normalize("NFKD").replace(MARKS, "").toLowerCase();
}

/** Returns the ranges of the text `query` in `root`, in the order of the page, at most `max`. */
export function findText(root: HTMLElement, query: string, max = 1_000): Range[] {
  const wanted = foldText(query).trim().replace(/\s+/g, " ");
  if (wanted === "") return [];
  const { text, positions } = folded(root);
  const ranges: Range[] = [];
  for (let at = text.indexOf(wanted); at >= 0 && ranges.length < max; at = text.indexOf(wanted, at + wanted.length)) {
    const first = positions[at]!;
    const last = positions[at + wanted.length - 1]!;
    const range = document.createRange();
    range.setStart(first.node, first.offset);
    range.setEnd(last.node, last.offset + last.length);
    ranges.push(range);
  }
  return ranges;
}

/** Returns the folded text of `root`, and the position of each of its UTF-16 code units in the page. */
function folded(root: HTMLElement): { text: string; positions: Position[] } {
  let text = "";
  const positions: Position[] = [];
  let block: Element | null | undefined;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode() as Text | null; node; node = walker.nextNode() as Text | null) {
    const parent = node.parentElement;
    if (!parent || parent.closest(SKIPPED)) continue;
    const inBlock = parent.closest(BLOCKS);
    if (block !== undefined && inBlock !== block) {
      // No query contains this character.
      text += "\n";
      positions.push({ node, offset: 0, length: 0 });
    }
    block = inBlock;
    let offset = 0;
    for (const character of node.data) {
      const isSpace = /\s/.test(character);
      const form = isSpace ? " " : foldText(character);
      const repeated = isSpace && (text.endsWith(" ") || text.endsWith("\n"));
      const previous = positions.at(-1);
      if (form === "" && previous?.node === node && previous.length > 0) {
        // An accent belongs to the character before it.
        previous.length = offset + character.length - previous.offset;
      } else if (!repeated) {
        text += form;
        for (let n = 0; n < form.length; n++) positions.push({ node, offset, length: character.length });
      }
      offset += character.length;
    }
  }
  return { text, positions };
}
