//! Applies the learner's settings to the page: theme, font, text size, line height, line length.
import type { Settings, Theme } from "../api/types";

const fonts = {
  literata: "var(--font-reading)",
  atkinson:
    '"Atkinson Hyperlegible", "Noto Naskh Arabic", var(--font-content), "Noto Sans Arabic", system-ui, sans-serif',
  system: 'system-ui, "Noto Naskh Arabic", var(--font-content), sans-serif',
} as const;

let chosen: Theme = "system";

function themeOf(theme: Theme): string {
  if (theme !== "system") return theme;
  if (matchMedia("(prefers-contrast: more)").matches) return "contrast";
  return matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "paper";
}

/** Returns the CSS custom properties of a reading column. */
export function readingStyle(
  settings: Pick<Settings, "readingFont" | "textSize" | "lineHeight" | "measure">,
): Record<string, string> {
  return {
    "--reading-font": fonts[settings.readingFont],
    "--reading-size": `${(1.1875 * settings.textSize) / 100}rem`,
    "--reading-line-height": String(settings.lineHeight / 100),
    // `ch` is the width of a zero, wider than the average letter; the setting counts letters.
    "--measure": `${(settings.measure * 0.86).toFixed(2)}ch`,
  };
}

export function applyTheme(settings: Settings): void {
  chosen = settings.theme;
  const root = document.documentElement;
  root.dataset["theme"] = themeOf(settings.theme);
  for (const [name, value] of Object.entries(readingStyle(settings))) root.style.setProperty(name, value);
}

/** Applies a theme to a page without settings of a learner. */
export function applySystemTheme(theme: Theme): void {
  chosen = theme;
  document.documentElement.dataset["theme"] = themeOf(theme);
}

/** Applies changes of the system's theme while the setting is `system`. */
export function followSystem(): void {
  for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)"]) {
    matchMedia(query).addEventListener("change", () => {
      if (chosen === "system") document.documentElement.dataset["theme"] = themeOf("system");
    });
  }
}
