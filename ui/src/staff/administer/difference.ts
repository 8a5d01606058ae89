//! Sorts the lines of differences of a report into groups, by the words with which the server begins them.
import type { StaffKey } from "../messages.svelte";

export interface Difference {
  text: string;
  held: boolean;
}
export interface Group {
  key: StaffKey;
  lines: { place: string; what: string; held: boolean }[];
}

const kinds: [RegExp, StaffKey][] = [
  [/^new person /, "diff.created"],
  [/^new class /, "diff.newClass"],
  [/^change class /, "diff.changedClass"],
  [/^(archive|reopen) class /, "diff.archived"],
  [/^change /, "diff.changed"],
  [/ joins /, "diff.joins"],
  [/ leaves /, "diff.leaves"],
  [/: \w+ -> \w+$/, "diff.state"],
];

/** Whether a line says what would change. Others name people who stay as they are, or who belong to another server. */
export function isChange({ text }: Difference): boolean {
  return !text.endsWith(": unchanged") && !/: exported by another server \([^)]*\)$/.test(text);
}

/** Returns the groups in which there are lines, in a fixed order. */
export function groupDifferences(differences: readonly Difference[]): Group[] {
  const groups = [...kinds.map(([, key]) => key), "diff.other" as const].map((key): Group => ({ key, lines: [] }));
  for (const { text, held } of differences.filter(isChange)) {
    const [place = "", what = text] = text.split(/: (.*)/s);
    const key = kinds.find(([pattern]) => pattern.test(what))?.[1] ?? "diff.other";
    groups.find((group) => group.key === key)!.lines.push({ place, what, held });
  }
  return groups.filter((group) => group.lines.length > 0);
}
