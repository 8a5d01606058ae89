import { beforeAll, describe, expect, it, vi } from "vitest";
import ar from "../src/i18n/ar.json";
import type { Catalogue, Plural } from "../src/i18n/catalogue";
import en from "../src/i18n/en.json";
import fr from "../src/i18n/fr.json";
import { errorText } from "../src/i18n/errors";
import { pick, regional, render, setLanguage } from "../src/i18n/index.svelte";
import { CommandFailure } from "../src/platform/failure";
import type { ErrorCode } from "../src/api/types";

type Entry = string | Plural;
const english = en as Record<string, Entry>;
// No cast: a missing key, or a string in place of plural forms, is a type error.
const typed: Record<"fr" | "ar", Catalogue> = { fr, ar };
const others: Record<string, Record<string, Entry>> = typed;
const forms = (entry: Entry): string[] => (typeof entry === "string" ? [entry] : Object.values(entry));
const names = (text: string): string[] => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();

describe("catalogues", () => {
  it.each(Object.keys(others))("%s has exactly the keys of English, and no empty text", (language) => {
    expect(Object.keys(others[language]!).sort()).toEqual(Object.keys(english).sort());
    for (const [key, entry] of Object.entries(others[language]!))
      for (const form of forms(entry)) expect(form.trim(), key).not.toBe("");
  });
  it.each(Object.keys(others))("%s uses the parameters of English", (language) => {
    for (const [key, entry] of Object.entries(english)) {
      const expected = new Set(forms(entry).flatMap(names));
      for (const form of forms(others[language]![key]!)) {
        // "{n}" may be replaced by a word ("one lesson"); every other parameter must occur.
        const used = names(form);
        for (const name of used) expect(expected.has(name), `${key}: ${name}`).toBe(true);
        for (const name of expected) if (name !== "{n}") expect(used, `${key}: ${form}`).toContain(name);
      }
      expect(forms(others[language]![key]!).flatMap(names).includes("{n}"), key).toBe(expected.has("{n}"));
    }
  });
  it("has every plural form that Arabic has", () => {
    const categories = new Intl.PluralRules("ar").resolvedOptions().pluralCategories;
    for (const [key, entry] of Object.entries(others["ar"]!))
      if (typeof entry !== "string") expect(Object.keys(entry).sort(), key).toEqual([...categories].sort());
  });
  it("has plural forms exactly where English has them", () => {
    for (const [key, entry] of Object.entries(english))
      for (const other of Object.values(others))
        expect(typeof other[key] === "string", key).toBe(typeof entry === "string");
  });
  it("names buttons and pages as they are labelled", () => {
    const quoted = {
      "bundle.exportText": ["bundle.import"],
      "review.emptyText": ["word.add"],
      "review.settings.twoButtonsText": ["review.grade.again", "review.grade.good"],
      "review.listen.keysText": ["review.grade.again", "review.grade.good"],
      "bundle.error.otherLibrary": ["settings.title", "settings.add", "bundle.openFile"],
    };
    for (const catalogue of [english, ...Object.values(others)])
      for (const [key, labels] of Object.entries(quoted))
        for (const label of labels) expect(catalogue[key], `${key}: ${label}`).toContain(catalogue[label]);
  });
  it("has messages for every error code", () => {
    const codes: ErrorCode[] = [
      "invalid_request",
      "unauthenticated",
      "bad_credentials",
      "forbidden",
      "token_unknown",
      "token_expired",
      "token_used_up",
      "managed",
      "not_found",
      "conflict",
      "too_large",
      "rate_limited",
      "too_new",
      "offline",
      "bad_reply",
      "not_downloaded",
      "corrupt",
      "disk_full",
      "storage",
      "keychain",
      "cancelled",
      "unavailable",
      "internal",
    ];
    for (const code of codes)
      for (const part of ["title", "text"]) expect(english[`error.${code}.${part}`], code).toBeTruthy();
  });
});

describe("statements in messages", () => {
  const catalogues: Record<string, Record<string, Entry>> = { en: english, ...others };
  const lines = (language: string): [string, string][] =>
    Object.entries(catalogues[language]!).flatMap(([key, entry]) =>
      forms(entry).map((form): [string, string] => [key, form]),
    );
  const password = /password|mot de passe|mots de passe|كلمة المرور|كلمة مرور|كلمات المرور/i;
  const staff =
    /teacher|school|librarian|administrator|professeur|école|enseignant|bibliothécaire|معلّم|معلم|المدرسة|لمدرستك|أمين/i;
  const reset =
    /reset|set a new|new password|forgot|recover|réinitialis|nouveau mot de passe|oublié|إعادة تعيين|كلمة مرور جديدة|نسيت/i;
  it.each(["en", "fr", "ar"] as const)(
    "%s: only the message about a wrong password says that the school can set a new one",
    (language) => {
      const says = lines(language).filter(([, text]) => password.test(text) && staff.test(text) && reset.test(text));
      expect(says.map(([key]) => key)).toEqual(["error.bad_credentials.text"]);
    },
  );
  it.each(["en", "fr", "ar"] as const)(
    "%s: messages state the rate limit of 15 minutes, and no shorter time",
    (language) => {
      expect(catalogues[language]!["error.rate_limited.text"]).toContain("15");
      const wait = /wait a (minute|moment)|attendez une minute|patientez une minute|انتظر دقيقة/i;
      for (const [key, text] of lines(language)) expect(wait.test(text), `${key}: ${text}`).toBe(false);
    },
  );
  it.each(["en", "fr", "ar"] as const)("%s: no message claims that refused rows are sent automatically", (language) => {
    const automatic = /by itself|automatically|tout seul|de lui-même|automatiquement|وحده|تلقائي/i;
    const reasons = lines(language).filter(([key]) => key.startsWith("sync.why."));
    expect(reasons.length).toBeGreaterThan(4);
    for (const [key, text] of reasons) expect(automatic.test(text), `${key}: ${text}`).toBe(false);
  });
  it.each(["en", "fr", "ar"] as const)("%s: no message refers to a number that is not shown", (language) => {
    const reference = /number (below|above)|numéro (ci-dessous|ci-dessus)|الرقم (أدناه|أعلاه)/i;
    for (const [key, text] of lines(language)) expect(reference.test(text), `${key}: ${text}`).toBe(false);
    expect(catalogues[language]!["common.reference"]).toContain("{id}");
  });
});

describe("the error of a server that asks to wait", () => {
  const failure = (code: ErrorCode, retryAfterMs?: number) =>
    new CommandFailure({ code, message: "", hint: "", retryable: true, correlationId: "", retryAfterMs });
  beforeAll(() => setLanguage("en"));
  it.each([
    ["rate_limited", 14_200, "Try again in 15 sec."],
    ["rate_limited", 1, "Try again in 1 sec."],
    ["unavailable", 110_000, "Try again in 2 min."],
    ["rate_limited", 15 * 60_000, "Try again in 15 min."],
    // The times of other errors are not those of the server.
    ["offline", 5_000, "The server cannot be reached. Content on this device is still available."],
  ] as const)("'%s' for %s ms", (code, ms, words) => {
    expect(errorText(failure(code, ms)).text).toBe(words);
  });
  it("without a time states the longest", () => {
    expect(errorText(failure("rate_limited")).text).toContain("up to 15 minutes");
  });
});

describe("rendering", () => {
  const renderText = (entry: Entry, language: string, params: Record<string, string | number>): string =>
    render(entry, new Intl.PluralRules(language), new Intl.NumberFormat(language), params);
  it("selects the plural form by n and formats numbers for the language", () => {
    expect(renderText(english["library.lessons"]!, "en", { n: 1 })).toBe("1 lesson");
    expect(renderText(english["library.lessons"]!, "en", { n: 1200 })).toBe("1,200 lessons");
    expect(renderText(others["ar"]!["library.lessons"]!, "ar-u-nu-latn", { n: 2 })).toBe("درسان");
    expect(renderText(others["fr"]!["library.lessons"]!, "fr", { n: 0 })).toBe("0 leçon");
  });
  it("keeps unknown parameters and does not substitute inside values", () => {
    expect(renderText("{a} {b}", "en", { a: "{b}" })).toBe("{b} {b}");
  });
  it("selects the chosen language; if none is chosen, the system's; else English", () => {
    expect(pick("fr", ["ar"])).toBe("fr");
    expect(pick("", ["de-DE", "ar-EG"])).toBe("ar");
    expect(pick("xx", ["ar"])).toBe("en");
  });
  it("formats for the system's region", () => {
    expect(regional("en", ["de-AT", "en-GB", "en"])).toBe("en-GB");
    expect(regional("fr", ["en-GB", "fro"])).toBe("fr");
    expect(regional("ar", ["ar", "ar-EG"])).toBe("ar");
  });
});

describe("the language of the settings", () => {
  it("stays when the catalogue of the system's language is loaded later", async () => {
    let load: () => void = () => undefined;
    const loading = new Promise<void>((resolve) => (load = resolve));
    vi.resetModules();
    vi.doMock("../src/i18n/en.json", async () => {
      await loading;
      return { default: en };
    });
    const fresh = await import("../src/i18n/index.svelte");
    const system = fresh.setLanguage("en");
    await fresh.setLanguage("ar");
    load();
    await system;
    vi.doUnmock("../src/i18n/en.json");
    expect([fresh.language(), document.documentElement.dir]).toEqual(["ar", "rtl"]);
  });
});
