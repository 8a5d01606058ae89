//! Adds and marks a word that was looked up.
import { api } from "../../api/client";
import type { FoundEntry, WordMarks } from "../../api/types";

/** Returns the meaning that is kept with a word, and its language. */
export function keptMeaning(found: FoundEntry): { meaning: string; meaningLang: string } {
  const [translation] = Object.entries(found.entry.translations);
  if (!found.dictionary) return { meaning: found.entry.meaning, meaningLang: "" };
  if (found.entry.meaning) return { meaning: found.entry.meaning, meaningLang: found.lang };
  return translation ? { meaning: translation[1], meaningLang: translation[0] } : { meaning: "", meaningLang: "" };
}

/** Adds the word to the review list with its sentence. `own`: a meaning that the learner typed. */
export function keep(found: FoundEntry, sentence: string, source = "", own = ""): Promise<WordMarks> {
  const { entry } = found;
  return api.addWord({
    item: found.item,
    card: found.card,
    lang: found.lang,
    word: entry.word,
    form: found.form,
    partOfSpeech: entry.partOfSpeech,
    pronunciation: entry.pronunciation,
    ...(own ? { meaning: own, meaningLang: document.documentElement.lang } : keptMeaning(found)),
    sentence,
    ...(source ? { source } : {}),
    dictionary: found.dictionary?.name ?? "",
  });
}

/** Removes the word from the review list. */
export function unkeep(found: FoundEntry): Promise<WordMarks> {
  return api.markWord({ card: found.card, saved: false });
}

export function mark(found: FoundEntry, marks: { known?: boolean; ignored?: boolean }): Promise<WordMarks> {
  return api.markWord({ card: found.card, ...marks });
}
