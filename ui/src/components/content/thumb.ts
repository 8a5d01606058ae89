//! The blur that stands for a picture until it is there.
import { thumbHashToDataURL } from "thumbhash";

const drawn = new Map<string, string>();

/** A thumbhash in hex as a data: URL; empty if there is none or it is not one. */
export function thumbUrl(hex: string): string {
  if (hex.length < 10 || !/^(?:[0-9a-f]{2})+$/.test(hex)) return "";
  let url = drawn.get(hex);
  if (url === undefined) {
    try {
      url = thumbHashToDataURL(Uint8Array.from(hex.match(/../g)!, (byte) => Number.parseInt(byte, 16)));
    } catch {
      url = "";
    }
    drawn.set(hex, url);
  }
  return url;
}
