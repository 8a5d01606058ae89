//! The blurred placeholder of an image.
import { thumbHashToDataURL } from "thumbhash";

const urls = new Map<string, string>();

/** Converts a thumbhash in hex to a data: URL; returns "" if it is missing or invalid. */
export function thumbUrl(hex: string): string {
  if (hex.length < 10 || !/^(?:[0-9a-f]{2})+$/.test(hex)) return "";
  let url = urls.get(hex);
  if (url === undefined) {
    try {
      url = thumbHashToDataURL(Uint8Array.from(hex.match(/../g)!, (byte) => Number.parseInt(byte, 16)));
    } catch {
      url = "";
    }
    urls.set(hex, url);
  }
  return url;
}
