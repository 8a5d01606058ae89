import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { coverColors, contrast } from "../src/components/cover/coverColors";

const css = readFileSync("src/styles/tokens.css", "utf8");
const themes: [string, Record<string, string>][] = [];
for (const block of css.matchAll(/(?::root|\[data-theme="(\w+)"\]) \{([^}]*)\}/g)) {
  const tokens = Object.fromEntries([...block[2]!.matchAll(/--([\w-]+): (#[0-9a-f]{6})/g)].map((m) => [m[1]!, m[2]!]));
  if (tokens["background"]) themes.push([block[1] ?? "paper", tokens]);
}
const backgrounds = ["background", "surface", "surface-sunken"];
const text: [string, string][] = [
  ...["text", "text-secondary", "text-muted"].flatMap((foreground) =>
    backgrounds.map((background): [string, string] => [foreground, background]),
  ),
  ...["accent", "success", "warning"].flatMap((foreground) =>
    [...backgrounds, `${foreground}-surface`].map((background): [string, string] => [foreground, background]),
  ),
  ...["accent-surface", "success-surface", "warning-surface", "highlight"].map((background): [string, string] => [
    "text",
    background,
  ]),
  ["text-secondary", "accent-surface"],
  ["text-secondary", "success-surface"],
  ["accent", "highlight"],
  ["on-accent", "accent"],
  ["surface", "text"],
  ["surface", "text-secondary"],
];

describe("contrast", () => {
  it("is measured in all four themes", () => {
    expect(themes.map(([name]) => name)).toEqual(["paper", "night", "sepia", "contrast"]);
  });
  it.each(themes)("%s: text at least 4.5 to 1", (_, tokens) => {
    for (const [foreground, background] of text)
      expect(
        contrast(tokens[foreground]!, tokens[background]!),
        `${foreground} on ${background}`,
      ).toBeGreaterThanOrEqual(4.5);
  });
  it.each(themes)("%s: edges of controls at least 3 to 1", (_, tokens) => {
    for (const background of backgrounds)
      for (const edge of ["border-strong", "accent"])
        expect(contrast(tokens[edge]!, tokens[background]!), `${edge} on ${background}`).toBeGreaterThanOrEqual(3);
  });
  it.each(themes)("%s: parts of a bar at least 3 to 1 against backgrounds and neighbours", (_, tokens) => {
    const parts = [1, 2, 3, 4, 5].map((n) => tokens[`chart-${n}`]!);
    for (const [i, part] of parts.entries()) {
      for (const background of backgrounds)
        expect(contrast(part, tokens[background]!), `chart-${i + 1} on ${background}`).toBeGreaterThanOrEqual(3);
      if (i > 0) expect(contrast(part, parts[i - 1]!), `chart-${i} and ${i + 1}`).toBeGreaterThanOrEqual(3);
    }
  });
  it("the high-contrast theme has at least 7 to 1", () => {
    const tokens = themes.find(([name]) => name === "contrast")![1];
    for (const foreground of ["text", "text-secondary", "text-muted", "accent", "success", "warning"])
      expect(contrast(tokens[foreground]!, tokens["background"]!), foreground).toBeGreaterThanOrEqual(7);
  });
  it("a title is legible on any cover colour", () => {
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
      const colors = coverColors(color);
      expect(contrast(colors.background, colors.text), color).toBeGreaterThanOrEqual(4.5);
    }
  });
});

describe("colours", () => {
  const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) =>
    /\.(css|svelte)$/.test(file),
  );
  const literal =
    /#[0-9a-f]{3,8}\b|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch)\(|:\s*(?:white|black|red|green|blue|gr[ae]y)\b/i;
  it("are defined only in tokens.css", () => {
    expect(files.length).toBeGreaterThan(50);
    for (const file of files.filter((name) => !name.endsWith("tokens.css"))) {
      const source = readFileSync(join("src", file), "utf8");
      const styles = file.endsWith(".css") ? source : (/<style>([^]*)<\/style>/.exec(source)?.[1] ?? "");
      expect(literal.exec(styles)?.[0], file).toBeUndefined();
    }
  });
  it("used by a style are defined", () => {
    const defined = new Set([...css.matchAll(/--([\w-]+):/g)].map((m) => m[1]));
    for (const file of files) {
      const source = readFileSync(join("src", file), "utf8");
      // Custom properties that this component defines.
      const own = new Set([...source.matchAll(/(?:--|style:--)([\w-]+)[:=]/g)].map((m) => m[1]));
      for (const [, name] of source.matchAll(/var\(--([\w-]+)\)/g))
        expect(defined.has(name) || own.has(name), `${file}: ${name}`).toBe(true);
    }
  });
});

describe("forced colours", () => {
  const forced = readFileSync("src/styles/forced-colors.css", "utf8");
  const sources = readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".svelte"))
    .map((file) => readFileSync(join("src", file), "utf8"))
    .join("\n");
  it("have rules only for classes that exist", () => {
    const classes = new Set(
      [...forced.matchAll(/\.([a-z][\w-]*)/g)].map((m) => m[1]!).filter((name) => name !== "css"),
    );
    expect(classes.size).toBeGreaterThan(20);
    for (const name of classes)
      expect(new RegExp(`class(?::${name}\\b|="[^"]*\\b${name}\\b)`).test(sources), name).toBe(true);
  });
  it("use system colours only", () => {
    expect(forced).not.toMatch(/var\(--(?!space|radius)/);
    for (const wanted of ["Highlight", "HighlightText", "SelectedItem", "CanvasText"]) expect(forced).toContain(wanted);
  });
  it("show each mark by another border", () => {
    const styles = ["right", "wrong", "missed"].map(
      (mark) => new RegExp(`\\[data-mark="${mark}"\\] \\{\\s*border: \\d+px (\\w+)`).exec(forced)?.[1],
    );
    expect(new Set(styles).size).toBe(3);
    expect(styles).not.toContain(undefined);
  });
});
