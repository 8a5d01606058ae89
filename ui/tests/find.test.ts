import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { findText, foldText } from "../src/features/lesson/findText";
import { setLanguage } from "../src/i18n/index.svelte";

beforeAll(() => setLanguage("en"));

function page(html: string): HTMLElement {
  const root = document.createElement("div");
  root.innerHTML = html;
  document.body.replaceChildren(root);
  return root;
}
const found = (html: string, query: string): string[] => findText(page(html), query).map(String);

describe("search in a lesson", () => {
  beforeEach(() => document.body.replaceChildren());

  it("ignores case, accents, composition and line breaks", () => {
    expect(found("<p>Le Café est près\n   du café.</p>", "cafe")).toEqual(["Café", "café"]);
    expect(found("<p>cafe\u0301 noir</p>", "CAFÉ")).toEqual(["cafe\u0301"]);
    expect(found("<p>près\n   du café</p>", "pres du")).toEqual(["près\n   du"]);
    expect(found("<p>ﬁne</p>", "fin")).toEqual(["ﬁn"]);
    expect(found("<p>مُعَلِّم</p>", "معلم")).toEqual(["مُعَلِّم"]);
  });

  it("finds text that markup divides, but not text of two paragraphs", () => {
    expect(found("<p>a <em>riv</em>er bends</p>", "river")).toEqual(["river"]);
    expect(found("<p>the river</p><p>bends</p>", "river bends")).toEqual([]);
    expect(found("<ul><li>one</li><li>two</li></ul>", "onetwo")).toEqual([]);
  });

  it("skips text that is not shown, and empty queries", () => {
    expect(found('<p>x<span class="visually-hidden">river</span></p>', "river")).toEqual([]);
    expect(found("<p>river</p>", "  ")).toEqual([]);
    expect(found("<p>aaaa</p>", "aa")).toEqual(["aa", "aa"]);
  });

  it("returns at most the given number of matches", () => {
    expect(findText(page(`<p>${"river ".repeat(50)}</p>`), "river", 10)).toHaveLength(10);
    expect(foldText("Ǻ")).toBe("a");
  });
});
