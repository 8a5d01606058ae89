import type { BlobHash } from "./BlobHash";
export type FontFileView = { hash: BlobHash, ranges: string, weight: string, suits: boolean, };
