import { describe, expect, it } from "vitest";
import english from "../src/i18n/en.json";
import ar from "../src/i18n/staff.ar.json";
import en from "../src/i18n/staff.en.json";
import fr from "../src/i18n/staff.fr.json";
import type { StaffCatalogue } from "../src/staff/messages.svelte";

type Entry = string | Partial<Record<string, string>>;
// No cast: a missing key, or a string in place of plural forms, is a type error.
const typed: Record<"fr" | "ar", StaffCatalogue> = { fr, ar };
const others = typed as Record<string, Record<string, Entry>>;
const first = en as Record<string, Entry>;
const forms = (entry: Entry): string[] => (typeof entry === "string" ? [entry] : Object.values(entry).map(String));
const names = (text: string): string[] => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();

describe("the catalogues for staff", () => {
  it.each(Object.keys(others))("%s has exactly the keys of English, with its parameters, and no empty text", (lang) => {
    expect(Object.keys(others[lang]!)).toEqual(Object.keys(first));
    for (const [key, entry] of Object.entries(first)) {
      const expected = new Set(forms(entry).flatMap(names));
      for (const form of forms(others[lang]![key]!)) {
        expect(form.trim(), key).not.toBe("");
        for (const name of names(form)) expect(expected.has(name), `${key}: ${name}`).toBe(true);
        for (const name of expected) if (name !== "{n}") expect(names(form), `${key}: ${form}`).toContain(name);
      }
      expect(typeof others[lang]![key], key).toBe(typeof entry);
    }
  });
  it("has every plural form that Arabic has", () => {
    const categories = new Intl.PluralRules("ar").resolvedOptions().pluralCategories;
    for (const [key, entry] of Object.entries(others["ar"]!))
      if (typeof entry !== "string") expect(Object.keys(entry).sort(), key).toEqual([...categories].sort());
  });
  it("are apart from those of learners", () => {
    const learners = new Set(
      Object.values<unknown>(english).filter((text) => typeof text === "string" && text.length > 40),
    );
    for (const text of Object.values(first).flatMap(forms)) expect(learners.has(text), text).toBe(false);
  });
});
