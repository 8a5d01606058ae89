import type { FontFileView } from "./FontFileView";
export type FontList = { files: Array<FontFileView>, };
