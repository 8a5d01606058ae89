//! The words of the review list: levels of mastery, filters, search.
import type { SavedWord, WordState, WordView } from "../../api/types";
import type { Key } from "../../i18n/index.svelte";
import { folded } from "../../i18n/language";

/** From this mastery on, a word counts as known: it is remembered for about 40 days. */
const KNOWN = 0.8;
const LEARNING = 0.3;

export const FILTERS = ["all", "due", "new", "learning", "known", "suspended"] as const;
export type WordFilter = (typeof FILTERS)[number];

/** Returns the text of a word; the end of its id if its entry is not on this device. */
export function wordText(word: Pick<SavedWord, "item" | "word">): string {
  return word.word?.entry.word ?? word.item.split("/").pop()!;
}

/** Returns the meaning of a word with its language; of a word of another language's dictionary, its translation. */
export function meaningOf({ entry, lang }: Pick<WordView, "entry" | "lang">): { text: string; lang: string } {
  const [translation] = Object.entries(entry.translations);
  return entry.meaning || !translation ? { text: entry.meaning, lang } : { text: translation[1], lang: translation[0] };
}

/** Returns the name of the level of mastery. */
export function levelKey(state: WordState): Key {
  if (state.suspended) return "review.level.suspended";
  if (state.known) return "review.level.marked";
  if (state.reviews === 0) return "review.level.new";
  return state.mastery >= KNOWN
    ? "review.level.known"
    : state.mastery >= LEARNING
      ? "review.level.learning"
      : "review.level.started";
}

function passes({ state }: SavedWord, filter: WordFilter): boolean {
  const isKnown = state.known || state.mastery >= KNOWN;
  switch (filter) {
    case "all":
      return true;
    case "due":
      return state.isDue;
    case "suspended":
      return state.suspended;
    case "known":
      return !state.suspended && isKnown;
    case "new":
      return !state.suspended && !isKnown && state.reviews === 0;
    case "learning":
      return !state.suspended && !isKnown && state.reviews > 0;
  }
}

export interface WordQuery {
  filter: WordFilter;
  /** Empty: all languages. */
  language: string;
  /** Occurs in the word, its meaning or a translation; case and accents do not matter. */
  text: string;
}

export function findWords(words: SavedWord[], query: WordQuery): SavedWord[] {
  const text = folded(query.text.trim());
  return words.filter((word) => {
    if (!passes(word, query.filter)) return false;
    if (query.language && word.word?.lang !== query.language) return false;
    if (!text) return true;
    const entry = word.word?.entry;
    const texts = [wordText(word), entry?.meaning ?? "", ...Object.values(entry?.translations ?? {})];
    return texts.some((one) => folded(one).includes(text));
  });
}

/** Returns the languages of the words, in order of their codes. */
export function languagesOf(words: SavedWord[]): string[] {
  return [...new Set(words.flatMap((word) => (word.word ? [word.word.lang] : [])))].sort();
}
