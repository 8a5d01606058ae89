//! Image widths that are generated on this device, and reasons why an image cannot be shown.
import type { ImageRef } from "../../api/types";
import type { Key } from "../../i18n/index.svelte";

/** The widths that the core generates. It rounds any other requested width up to one of them, at most 1920. */
export const WIDTHS = [320, 640, 768, 1024, 1280, 1920] as const;
const RESIZABLE_TYPES = new Set(["image/jpeg", "image/png", "image/webp"]);

/**
 * The widths in `WIDTHS` that the course does not contain and that are narrower than its widest variant. Paths are
 * relative to the base URL of images.
 */
export function generatedWidths(image: ImageRef): { path: string; width: number }[] {
  const widest = image.variants.at(-1);
  if (!widest || !RESIZABLE_TYPES.has(widest.type)) return [];
  return WIDTHS.filter((width) => width < widest.width && !image.variants.some((v) => v.width === width)).map(
    (width) => ({ path: `${widest.hash}?w=${width}`, width }),
  );
}

/**
 * Whether an image is a drawing, whose colours are inverted in the night theme: SVG, because a photo is never SVG. The
 * style is in drawing.css.
 */
export function isDrawing(image: ImageRef): boolean {
  return image.variants.at(-1)?.type === "image/svg+xml";
}

/**
 * Returns the message key for an image that failed to load. Requests the status from the loopback server, because an
 * `<img>` does not report it.
 */
export async function failureReason(url: string): Promise<Key> {
  try {
    const { status } = await fetch(url, { method: "HEAD" });
    if (status === 413) return "image.tooLarge";
    if (status === 404 || status === 503 || status === 502) return "image.absent";
    return "image.broken";
  } catch {
    return "image.absent";
  }
}
