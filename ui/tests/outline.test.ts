import { beforeAll, describe, expect, it } from "vitest";
import Outline from "../src/components/outline/Outline.svelte";
import { setLanguage } from "../src/i18n/index.svelte";
import { show } from "./support";

const section = (n: number): object => ({
  item: `course/lesson/s${n}`,
  type: "TEXT",
  title: `Section ${n}`,
  minutes: 3,
  done: n === 0,
  percent: 0,
  waiting: false,
  bestScore: null,
});
const outline = (count: number): HTMLElement =>
  show(
    Outline as never,
    {
      lessons: [
        { id: "lesson", title: "Lesson", summary: "", sections: Array.from({ length: count }, (_, n) => section(n)) },
      ],
      lang: "en",
      dir: "ltr",
    } as never,
  ).target;

beforeAll(() => setLanguage("en"));

describe("the outline of a course", () => {
  it("lays out every lesson, whose texts are its names", () => {
    const target = outline(300);
    expect(target.querySelector(".skipped, [aria-label]")).toBeNull();
    expect(target.querySelector("a")?.textContent).toContain("Section 0");
  });

  it("writes the names of a very long one, because WebKit has none for what is not laid out", () => {
    const target = outline(301);
    expect(target.querySelector(".skipped h3")?.getAttribute("aria-label")).toBe("Lesson");
    const names = [...target.querySelectorAll("a")].map((link) => link.getAttribute("aria-label"));
    expect(names).toHaveLength(301);
    expect(names.slice(0, 2)).toEqual(["Section 0 Reading, finished", "Section 1 Reading"]);
  });
});
