// Fonts of courses are registered with the browser while their text is open.
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { FontFileView } from "../src/api/types";
import Story from "../src/features/story/Story.svelte";
import { appState } from "../src/state/appState.svelte";
import { scriptPlatform, settle, show } from "./support";

interface Face {
  family: string;
  source: string;
  options: FontFaceDescriptors;
}
const faces = new Set<Face>();
const platform = scriptPlatform();

beforeEach(async () => {
  await appState.load();
  vi.stubGlobal(
    "FontFace",
    class implements Face {
      constructor(
        public family: string,
        public source: string,
        public options: FontFaceDescriptors,
      ) {
        if (options.unicodeRange === "?") throw new DOMException("invalid", "SyntaxError");
      }
    },
  );
  Object.defineProperty(document, "fonts", { configurable: true, value: faces });
});
afterEach(() => vi.unstubAllGlobals());

const file = (hash: string, ranges: string, suits = true): FontFileView => ({ hash, ranges, weight: "100 900", suits });
const listed = (): string[] => [...faces].map((f) => `${f.family}: ${f.source} ${f.options.unicodeRange}`).sort();

async function open(item: string, files: FontFileView[]): Promise<() => void> {
  platform.replies["get_fonts"] = () => ({ files });
  const { close } = show(Story, { route: { name: "story", item } });
  await settle();
  await settle();
  return close;
}

it("registers the fonts of a text until another text is open", async () => {
  const close = await open("the-lamp-by-the-sea", [file("aa", "U+3041"), file("bb", "U+4E00", false), file("cc", "?")]);
  expect(platform.requests("get_fonts").at(-1)).toEqual({ item: "the-lamp-by-the-sea", lang: "en" });
  const ja = 'Carrel Content: url("/fixture-media/aa") format("woff2") U+3041';
  const zh = 'Carrel Content Other: url("/fixture-media/bb") format("woff2") U+4E00';
  expect(listed()).toEqual([zh, ja].sort());
  const first = [...faces].find((face) => face.family === "Carrel Content");
  expect(first?.options).toMatchObject({ weight: "100 900", display: "swap" });
  close();
  expect(listed()).toHaveLength(2);

  // The same file for a text in another language; the face that is still needed is not registered again.
  const closeSecond = await open("huo", [file("aa", "U+3041"), file("bb", "U+4E00")]);
  expect(listed()).toEqual([ja, 'Carrel Content: url("/fixture-media/bb") format("woff2") U+4E00'].sort());
  expect(faces).toContain(first);
  closeSecond();
  await open("al-qitta", []);
  expect(listed()).toEqual([]);
});
