//! Compares the output of a learner's program with what it has to print.

/** The first line that differs, from 1. A line that is missing is undefined. */
export interface Difference {
  line: number;
  expected: string | undefined;
  printed: string | undefined;
}

/** The lines of an output, without white space at their ends and without empty lines at the end. */
function lines(output: string): string[] {
  const all = output.split(/\r\n|\r|\n/).map((line) => line.trimEnd().normalize("NFC"));
  while (all.at(-1) === "") all.pop();
  return all;
}

/** Returns where an output differs from the expected one; undefined if it is right. */
export function difference(expected: string, printed: string): Difference | undefined {
  const [wanted, got] = [lines(expected), lines(printed)];
  for (let at = 0; at < Math.max(wanted.length, got.length); at++)
    if (wanted[at] !== got[at]) return { line: at + 1, expected: wanted[at], printed: got[at] };
  return undefined;
}
