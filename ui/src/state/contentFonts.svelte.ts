//! Fonts that courses and stories bring along for scripts that the bundled fonts (styles/fonts.css) do not cover. They
//! are registered while a text is open; the browser loads a file when a character of it is shown, and shows a font of the
//! system until then.
import { api } from "../api/client";
import type { FontFileView, FontsRequest } from "../api/types";
import { appState } from "./appState.svelte";
import { live } from "./live.svelte";

/** The two families of `--font-content` in styles/fonts.css: the second one is used for characters that the first lacks. */
const FAMILY = "Carrel Content";
const OTHER_FAMILY = "Carrel Content Other";

/** The files for each open text. */
// eslint-disable-next-line svelte/prefer-svelte-reactivity -- not read by components
const wanted = new Map<symbol, readonly FontFileView[]>();
/** The registered faces by family and hash. */
// eslint-disable-next-line svelte/prefer-svelte-reactivity -- not read by components
const registered = new Map<string, FontFace>();

/** Registers the files for all open texts and removes the others. */
function register(): void {
  if (typeof FontFace === "undefined") return;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- local
  const keys = new Set<string>();
  for (const file of [...wanted.values()].flat()) {
    const family = file.suits ? FAMILY : OTHER_FAMILY;
    const key = `${family} ${file.hash}`;
    keys.add(key);
    if (registered.has(key)) continue;
    try {
      const face = new FontFace(family, `url("${appState.media(file.hash)}") format("woff2")`, {
        unicodeRange: file.ranges,
        weight: file.weight,
        display: "swap",
      });
      document.fonts.add(face);
      registered.set(key, face);
    } catch {
      // Invalid ranges or weights: the system's font is shown.
    }
  }
  for (const [key, face] of registered) {
    if (keys.has(key)) continue;
    document.fonts.delete(face);
    registered.delete(key);
  }
}

/**
 * Shows the text of a component in the fonts of its course or story. `request` returns undefined until the text is
 * known. The fonts stay registered until another text is opened.
 */
export function useContentFonts(request: () => FontsRequest | undefined): void {
  const user = Symbol("fonts");
  const fonts = live(api.getFonts, request);
  $effect(() => {
    const files = fonts.value?.files;
    if (!files) return;
    wanted.set(user, files);
    register();
  });
  $effect(() => () => void wanted.delete(user));
}
