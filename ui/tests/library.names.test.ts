//! Names of languages, and the text size of titles on covers.
import { beforeAll, describe, expect, it, vi } from "vitest";
import { fitTitle, lineCount, type Binding } from "../src/components/cover/coverType";
import { commonLanguages } from "../src/components/languages/common";
import { autonym, languageLabel, languageMatches } from "../src/i18n/language";
import { setLanguage } from "../src/i18n/index.svelte";

// The languages of a collection of storybooks.
const codes =
  "ada adh adx aeb af am ar bem bn bo ca ckb da dag de dga dje ee el en eo es fa fat ff fr ga gaa gjn gu gur guz gyn " +
  "ha-ne ha hi ht hu hz id it ja jam kam keo khg kj kln ko kr kwn la lg lgg-official lgg loz lt luc lwg mas mfe mg mhw " +
  "mnw ms my myx naq nb ne ng nl nn nr nso nuj ny nyn nzi om or pa pl prs ps pt rki ro ru rw saq se so sr ss sv sw teo " +
  "tet ti tl tn toi tr ts tsc ttj tuv tw-akua tw-asan uk ur ve vi xh xog xsm yo yue zh zne zu";

describe("the name of a language", () => {
  beforeAll(() => setLanguage("en"));
  /** A browser without the data of this language, in its own name and in English. */
  function withoutData(run: () => void): void {
    const RealNames = Intl.DisplayNames;
    vi.stubGlobal("Intl", {
      ...Object.fromEntries(Object.getOwnPropertyNames(Intl).map((name) => [name, Intl[name as keyof typeof Intl]])),
      DisplayNames: class {
        resolvedOptions = () => ({ locale: "en-US" });
        of = (tag: string) =>
          /^(ar|en|fr|sw)$/.test(tag) ? new RealNames("en", { type: "language" }).of(tag) : undefined;
      },
    });
    run();
    vi.unstubAllGlobals();
  }
  it("is never a bare code", () => {
    for (const code of codes.split(" ")) {
      expect(autonym(code), code).not.toBe(code);
      expect(languageLabel(code), code).not.toBe(code);
    }
  });
  it("is its own name", () => {
    const names = {
      sw: "Kiswahili",
      fr: "Français",
      ru: "Русский",
      zu: "isiZulu",
      ka: "ქართული",
      ar: "العربية",
      yo: "Èdè Yorùbá",
      lgg: "Lugbarati",
      prs: "دری",
      "HA-NE": "Hausa (Nijar)",
    };
    for (const [code, name] of Object.entries(names)) expect(autonym(code)).toBe(name);
    expect(autonym("qzz")).toBe("qzz");
    expect(autonym("not a tag!")).toBe("not a tag!");
  });
  it("is known for each language of the first screen, also where Intl has no data", () => {
    for (const code of commonLanguages) expect(autonym(code), code).not.toBe(code);
    withoutData(() => {
      for (const code of ["aa", "ach", "ki", "luo", "rn", "st"]) expect(autonym(code), code).not.toBe(code);
    });
  });
  it("is known where Intl has no data", () => {
    withoutData(() => {
      expect([autonym("zh_x"), autonym("zne"), languageLabel("kwn")]).toEqual(["zh_x", "Pazande", "Kwangali"]);
    });
  });
  it.each([
    ["yo", "yoruba", true],
    ["yo", "EDE yor", true],
    ["lgg-official", "lugbara off", true],
    ["tw-asan", "twi asante", true],
    ["ar", "عرب", true],
    ["sw", "", true],
    ["sw", "swahili x", false],
  ])("%s matches '%s': %s", (code, query, matches) => expect(languageMatches(code, query)).toBe(matches));
});

describe("the title of a cover", () => {
  const bindings: Binding[] = ["stamped", "label", "framed", "plate"];
  const titles = [
    "Soil",
    "How Rivers Work",
    "Punishment",
    "The Walnut Boat",
    "Anansi, the crows, and the crocodile",
    "Why hippos have no hair",
    "Grandma's bananas and the very hungry cow",
    "A very tall man who could not find a bed to sleep in",
    "Donaudampfschifffahrtsgesellschaft",
    "Geschwindigkeitsbegrenzung und Straßenverkehrsordnung",
    "Introduction à la comptabilité des petites entreprises",
    "በጣም ረጅም ሰውዬ",
    "ผู้ชายที่สูงมากและช้างตัวเล็ก",
    "一個好高嘅人",
    "とても背の高い男の人の話",
    "아주 키가 큰 아저씨",
    "رجل طويل جدا وابنته الصغيرة",
    "Очень высокий человек и его собака",
    "एक बहुत लंबा आदमी",
  ];
  it.each(bindings)(
    "has at most 6 lines on the design '%s', and no word is broken if a smaller size avoids it",
    (binding) => {
      for (const title of titles) {
        const { size, lines } = fitTitle(title, binding);
        expect(lines, title).toBeLessThanOrEqual(6);
        expect(size, title).toBeGreaterThanOrEqual(9);
        expect(size, title).toBeLessThanOrEqual(14.4);
        expect(lineCount(title, size, { stamped: 70, label: 63, framed: 64, plate: 75 }[binding]).lines, title).toBe(
          lines,
        );
      }
    },
  );
  it("is large if it is short, and small if it is long or has a long word", () => {
    const sizes = (title: string) => bindings.map((binding) => fitTitle(title, binding).size);
    expect(sizes("Soil")).toEqual([14.4, 12, 14, 12]);
    expect(sizes("Donaudampfschifffahrtsgesellschaft")).toEqual([9.4, 9, 9.2, 9]);
    const long = sizes("A very tall man who could not find a bed to sleep in");
    expect(long.every((size, i) => size < sizes("Soil")[i]!)).toBe(true);
  });
  it.each([
    ["Soil", 10, 100, 1],
    ["aaaa aaaa", 10, 30, 2],
    ["aaaa aaaa", 10, 60, 1],
    // Without spaces, lines are filled.
    ["一個好高嘅人", 10, 20, 3],
    // Marks have no width of their own.
    ["e\u0301e\u0301e\u0301e\u0301", 10, 23, 1],
    ["aaaaaaaaaaaa", 10, 23, 3],
  ])("'%s' of size %d in a width of %d has %d lines", (title, size, width, lines) =>
    expect(lineCount(title, size, width).lines).toBe(lines),
  );
});
