//! Cover colours with a legible text colour, and pseudo-random values that depend only on a text.
export function luminance(hex: string): number {
  const channel = (at: number): number => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}
export function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

const LIGHT_TEXT = "#fff8ea";
const DARK_TEXT = "#14100b";

/** Returns the cover colour and a text colour for it. Replaces an invalid colour with a default. */
export function coverColors(color: string): { background: string; text: string; dark: boolean } {
  const valid = /^#[0-9a-f]{6}$/i.test(color) ? color.toLowerCase() : "#4a4a3a";
  const dark = contrast(valid, LIGHT_TEXT) < contrast(valid, DARK_TEXT);
  return { background: valid, text: dark ? DARK_TEXT : LIGHT_TEXT, dark };
}

/** Returns the 32-bit FNV-1a hash of a text. */
export function seed(text: string): number {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  return hash >>> 0;
}
/** Returns `items` in a pseudo-random order that depends only on `key`. */
export function shuffled<T>(items: readonly T[], key: string): T[] {
  const out = [...items];
  let state = seed(key) || 1;
  for (let i = out.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}
