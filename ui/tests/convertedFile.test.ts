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
  expect(transferErrorText("not_converted", "zip-bomb")).toContain("zip-bomb");
});
