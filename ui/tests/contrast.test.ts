import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { coverColors, contrast } from "../src/components/cover/coverColors";

const css = readFileSync("src/styles/tokens.css", "utf8");
const themes: [string, Record<string, string>][] = [];
for (const block of css.matchAll(/(?::root|\[data-theme="(\w+)"\]) \{([^}]*)\}/g)) {
  const tokens = Object.fromEntries([...block[2]!.matchAll(/--([\w-]+): (#[0-9a-f]{6})/g)].map((m) => [m[1]!, m[2]!]));
  if (tokens["paper"]) themes.push([block[1] ?? "paper", tokens]);
}
const grounds = ["paper", "page", "shade"];
const text: [string, string][] = [
  ...["ink", "ink-2", "ink-3"].flatMap((ink) => grounds.map((ground): [string, string] => [ink, ground])),
  ...["ribbon", "leaf", "brass"].flatMap((ink) =>
    [...grounds, `${ink}-wash`].map((ground): [string, string] => [ink, ground]),
  ),
  ...["ribbon-wash", "leaf-wash", "brass-wash", "lamp"].map((ground): [string, string] => ["ink", ground]),
  ["ink-2", "ribbon-wash"],
  ["ink-2", "leaf-wash"],
  ["ribbon", "lamp"],
  ["ribbon-ink", "ribbon"],
  ["page", "ink"],
  ["page", "ink-2"],
];

describe("contrast", () => {
  it("is measured in all four themes", () => {
    expect(themes.map(([name]) => name)).toEqual(["paper", "night", "sepia", "contrast"]);
  });
  it.each(themes)("%s: text at least 4.5 to 1", (_, tokens) => {
    for (const [ink, ground] of text)
      expect(contrast(tokens[ink]!, tokens[ground]!), `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5);
  });
  it.each(themes)("%s: edges of controls at least 3 to 1", (_, tokens) => {
    for (const ground of grounds)
      for (const edge of ["edge", "ribbon"])
        expect(contrast(tokens[edge]!, tokens[ground]!), `${edge} on ${ground}`).toBeGreaterThanOrEqual(3);
  });
  it("high contrast is 7 to 1", () => {
    const tokens = themes.find(([name]) => name === "contrast")![1];
    for (const ink of ["ink", "ink-2", "ink-3", "ribbon", "leaf", "brass"])
      expect(contrast(tokens[ink]!, tokens["paper"]!), ink).toBeGreaterThanOrEqual(7);
  });
  it("a title can be read on any cloth", () => {
    for (const color of [
      "#7a3b2e",
      "#2b3a67",
      "#4a4a3a",
      "#8a6417",
      "#5b2f55",
      "#5a4630",
      "#2f5d50",
      "#6b2737",
      "#34495e",
      "#28505a",
      "#ffffff",
      "#000000",
      "#ffee00",
      "#808080",
      "nonsense",
    ]) {
      const paint = coverColors(color);
      expect(contrast(paint.cloth, paint.ink), color).toBeGreaterThanOrEqual(4.5);
    }
  });
});
