//! Messages of the screens for staff. They have catalogues of their own, which learners never load.
import { isolated, language, locale, render, type Language, type Params } from "../i18n/index.svelte";
import type { Plural } from "../i18n/catalogue";
import type en from "../i18n/staff.en.json";

export type StaffKey = keyof typeof en;
/** A string where English has a string, plural forms where English has plural forms. */
export type StaffCatalogue = { [K in StaffKey]: (typeof en)[K] extends string ? string : Plural };

const catalogues: Record<Language, () => Promise<{ default: StaffCatalogue }>> = {
  en: () => import("../i18n/staff.en.json"),
  fr: () => import("../i18n/staff.fr.json"),
  ar: () => import("../i18n/staff.ar.json"),
};

interface Active {
  language: Language;
  catalogue: StaffCatalogue;
  plural: Intl.PluralRules;
  number: Intl.NumberFormat;
}
let active = $state.raw<Active>();

/** Whether the catalogue of the present language is loaded. */
export function hasStaffMessages(): boolean {
  return active?.language === language();
}

/** Loads the catalogue of the present language. */
export async function loadStaffMessages(): Promise<void> {
  const wanted = language();
  if (active?.language === wanted) return;
  const catalogue = (await catalogues[wanted]()).default;
  // The language may have changed meanwhile.
  if (wanted !== language()) return loadStaffMessages();
  active = {
    language: wanted,
    catalogue,
    plural: new Intl.PluralRules(locale()),
    number: new Intl.NumberFormat(locale()),
  };
}

/** Whether the catalogue has a message with this name. */
export function hasStaffMessage(key: string): key is StaffKey {
  return active !== undefined && Object.hasOwn(active.catalogue, key);
}

export function s(key: StaffKey, params: Params = {}): string {
  if (!active) return key;
  return render(active.catalogue[key], active.plural, active.number, isolated(params, active.language === "ar"));
}
