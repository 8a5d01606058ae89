//! Chooses the text size of a cover's title, so that the whole title fits. Sizes are in hundredths of the cover's width.

export type Binding = "stamped" | "label" | "framed" | "plate";

interface Design {
  /** Width of a line of the title. */
  width: number;
  /** Sizes, largest first, each with the most lines that leave enough room for the ornament or picture. */
  sizes: readonly (readonly [size: number, lines: number])[];
}
const MAX_LINES = 6;
const designs: Record<Binding, Design> = {
  stamped: {
    width: 70,
    sizes: [
      [14.4, 4],
      [12.4, 5],
      [10.6, 6],
      [9.4, 6],
    ],
  },
  // The label has a padding of 0.6 em at both sides.
  label: {
    width: 63,
    sizes: [
      [12, 3],
      [11, 4],
      [10, 5],
      [9, 6],
    ],
  },
  framed: {
    width: 64,
    sizes: [
      [14, 3],
      [12, 4],
      [10.4, 5],
      [9.2, 6],
    ],
  },
  plate: {
    width: 75,
    sizes: [
      [12, 2],
      [10.8, 3],
      [9.8, 4],
      [9, 6],
    ],
  },
};

/** The approximate width of a character in hundredths of the text size. */
function charWidth(char: string): number {
  if (/\p{M}/u.test(char)) return 0;
  if (/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff00-\uff60]/u.test(char))
    return 100;
  if (/[\p{Script=Ethiopic}\p{Script=Myanmar}\p{Script=Tibetan}\p{Script=Khmer}]/u.test(char)) return 80;
  if (/[mwMW\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Tamil}\p{Script=Gujarati}]/u.test(char)) return 78;
  if (/[il.,:;'’!|j ()]/.test(char)) return 31;
  return /\p{Lu}/u.test(char) ? 68 : 55;
}
const widthOf = (text: string): number => [...text].reduce((sum, char) => sum + charWidth(char), 0);
/** Scripts without spaces break between most characters. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}]/u;
const words = (title: string): string[] =>
  title
    .trim()
    .split(/\s+|(?<=[-–—/])/u)
    .flatMap((word) => (UNSPACED.test(word) ? [...word] : [word]));

/** The number of lines at this size, and whether a word is wider than a line. */
export function lineCount(title: string, size: number, width: number): { lines: number; isBroken: boolean } {
  const room = (width / size) * 100;
  const space = UNSPACED.test(title) ? 0 : charWidth(" ");
  let lines = 1;
  let used = 0;
  let isBroken = false;
  for (const word of words(title)) {
    const wide = widthOf(word);
    if (wide > room) isBroken = true;
    if (used > 0 && used + space + wide > room) {
      lines++;
      used = 0;
    }
    // A word that is wider than a line continues on the next ones.
    lines += Math.max(0, Math.ceil(wide / room) - 1);
    used = used === 0 ? wide % room : used + space + wide;
  }
  return { lines, isBroken };
}

/** Returns the size of a title and its number of lines, at most 6. */
export function fitTitle(title: string, binding: Binding): { size: number; lines: number } {
  const { width, sizes } = designs[binding];
  const fits = sizes.find(([size, most]) => {
    const { lines, isBroken } = lineCount(title, size, width);
    return lines <= most && !isBroken;
  });
  // A very long word is broken at the smallest size.
  const [size] = fits ?? sizes.at(-1)!;
  return { size, lines: Math.min(MAX_LINES, lineCount(title, size, width).lines) };
}
