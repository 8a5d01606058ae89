//! Sources of an image for `<img>`.
import type { ImageRef } from "../../api/types";
import { appState } from "../../state/appState.svelte";
import { generatedWidths } from "./pictures";

/**
 * Returns `src` and `srcset` with the widths that the course contains and those that are generated on this device.
 * Without variants: undefined.
 */
export function imageSource(image: ImageRef): { src: string; srcset?: string } | undefined {
  const widest = image.variants.at(-1);
  if (!widest) return undefined;
  const all = [
    ...generatedWidths(image).map((v) => ({ url: appState.image(v.path), width: v.width })),
    ...image.variants.map((v) => ({ url: appState.image(v.hash), width: v.width })),
  ];
  const src = appState.image(widest.hash);
  if (all.length < 2) return { src };
  const srcset = all
    .sort((a, b) => a.width - b.width)
    .map((source) => `${source.url} ${source.width}w`)
    .join(", ");
  return { src, srcset };
}
