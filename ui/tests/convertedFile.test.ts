import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import ConvertedFileReport from "../src/components/transfer/ConvertedFileReport.svelte";
import { transferErrorText } from "../src/components/transfer/transferText";
import { setLanguage } from "../src/i18n/index.svelte";
import { convertedDeck, convertedFile } from "../src/platform/fixture/convertedFile";
import { show, text } from "./support";

const view = (file: typeof convertedFile): string => {
  const props = { file, onlanguage: () => undefined, onreviews: () => undefined };
  const { target, close } = show(ConvertedFileReport as never, props as never);
  const shown = text(target);
  close();
  return shown;
};

beforeEach(() => setLanguage("en"));

it.each([
  ["en", "A free text cannot be graded by the app.", "lists 12 media files"],
  ["fr", "L’application ne peut pas noter un texte libre.", "contient 12 fichiers média"],
  ["ar", "لا يستطيع التطبيق تقييم نص حر.", "ملف وسائط"],
] as const)("the report is in the language of the app: %s", async (language, reason, note) => {
  await setLanguage(language);
  expect(view(convertedFile)).toContain(reason);
  expect(view(convertedFile)).toContain({ en: "Line 12", fr: "Ligne 12", ar: "السطر" }[language]);
  const deck = view(convertedDeck);
  expect(deck).toContain(note);
  if (language !== "en") expect(deck + view(convertedFile)).not.toMatch(/imported|graded|replaced/);
});

it("a file that cannot be converted says why, by the code of its problem", () => {
  expect(transferErrorText("not_converted", "import-protected")).toContain("DRM");
  expect(transferErrorText("not_converted", "bad-lang")).toContain("language");
  expect(transferErrorText("not_converted", "of-a-later-release")).toContain("of-a-later-release");
});

it.each(["en", "fr", "ar"] as const)("each problem of a file has a message: %s", async (language) => {
  await setLanguage(language);
  const type = readFileSync(join(import.meta.dirname, "../src/api/types/ImportProblem.ts"), "utf8");
  const codes = [...type.matchAll(/\| "([a-z-]+)"/g)].map((match) => match[1]!);
  expect(codes.length).toBeGreaterThan(15);
  for (const code of codes) {
    // A code without a message of its own is shown as it is.
    expect(transferErrorText("not_converted", code), code).not.toContain(`${code})`);
    expect(transferErrorText("not_converted", code).length, code).toBeGreaterThan(20);
  }
});
