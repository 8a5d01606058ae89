//! Messages of the UI. The English catalogue defines the keys; plurals, numbers and dates use Intl.
import type { Catalogue, Key, Plural } from "./catalogue";

export type { Key } from "./catalogue";
export type Language = "en" | "fr" | "ar";
export const languages: readonly { code: Language; name: string }[] = [
  { code: "en", name: "English" },
  { code: "fr", name: "Français" },
  { code: "ar", name: "العربية" },
];

const catalogues: Record<Language, () => Promise<{ default: Catalogue }>> = {
  en: () => import("./en.json"),
  fr: () => import("./fr.json"),
  ar: () => import("./ar.json"),
};

interface ActiveLocale {
  language: Language;
  locale: string;
  catalogue: Catalogue;
  plural: Intl.PluralRules;
  number: Intl.NumberFormat;
}
let activeLocale = $state.raw<ActiveLocale>();
let calls = 0;

/** Returns `chosen`, or if it is empty the first supported language of the system; English if there is none. */
export function pick(chosen: string, system: readonly string[] = navigator.languages): Language {
  for (const tag of chosen ? [chosen] : system) {
    const found = languages.find((l) => l.code === tag.toLowerCase().split("-")[0]);
    if (found) return found.code;
  }
  return "en";
}

/** Returns the system's regional variant of the language, if any: "en-GB" formats 14:05, "en" 2:05 PM. */
export function regional(language: Language, system: readonly string[] = navigator.languages): string {
  return system.find((tag) => tag === language || tag.startsWith(`${language}-`)) ?? language;
}

export async function setLanguage(language: Language): Promise<void> {
  const call = ++calls;
  if (activeLocale?.language === language) return;
  const catalogue = (await catalogues[language]()).default;
  // The catalogue of a later call may have been loaded first; it must not be replaced.
  if (call !== calls && activeLocale) return;
  const locale = regional(language);
  activeLocale = {
    language,
    locale,
    catalogue,
    plural: new Intl.PluralRules(locale),
    number: new Intl.NumberFormat(locale),
  };
  document.documentElement.lang = language;
  document.documentElement.dir = language === "ar" ? "rtl" : "ltr";
}

/** Whether a catalogue is loaded. Without one, `t` returns keys. */
export function hasLanguage(): boolean {
  return activeLocale !== undefined;
}

export function language(): Language {
  return activeLocale?.language ?? "en";
}

/** The locale for Intl: numbers, dates and names. */
export function locale(): string {
  return activeLocale?.locale ?? "en";
}

export type Params = Record<string, string | number>;

/** Replaces each `{name}` with its parameter. `n` selects the plural form. */
export function render(
  entry: string | Plural,
  plural: Intl.PluralRules,
  number: Intl.NumberFormat,
  params: Params,
): string {
  const text = typeof entry === "string" ? entry : (entry[plural.select(Number(params["n"] ?? 0))] ?? entry.other);
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = params[name];
    return value === undefined ? whole : typeof value === "number" ? number.format(value) : value;
  });
}

const RTL = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;
// eslint-disable-next-line no-misleading-character-class -- ranges of whole scripts, with their combining characters
const LTR = /[A-Za-z\u00c0-\u058f\u0900-\u0dff\u3040-\u9fff]/;

/** Isolates parameters in the other writing direction (FSI, PDI), so that they do not reorder the text around them. */
export function isolated(params: Params, rtl: boolean): Params {
  const isolate = (value: string | number): string | number =>
    typeof value === "string" && (rtl ? LTR : RTL).test(value) ? `\u2068${value}\u2069` : value;
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, isolate(value)]));
}

/** Whether the catalogue has a message with this name. */
export function hasMessage(key: string): key is Key {
  return activeLocale !== undefined && Object.hasOwn(activeLocale.catalogue, key);
}

export function t(key: Key, params: Params = {}): string {
  if (!activeLocale) return key;
  return render(
    activeLocale.catalogue[key],
    activeLocale.plural,
    activeLocale.number,
    isolated(params, activeLocale.language === "ar"),
  );
}
