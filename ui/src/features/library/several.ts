//! Courses and stories that are downloaded together.
import type { CourseCard, DownloadState, StoryCard } from "../../api/types";

export interface Downloadable {
  id: string;
  isStory: boolean;
  /** Bytes that are not on this device yet. */
  bytes: number;
}

/** Returns what is left to download; none if the item is on this device or on its way. */
export function downloadable(
  card: CourseCard | StoryCard,
  newest: (id: string) => DownloadState | undefined,
): Downloadable | undefined {
  const isStory = "story" in card;
  const meta = isStory ? card.story : card.course;
  const state = newest(meta.id) ?? card.download;
  if (state.phase === "ready" || state.phase === "queued" || state.phase === "running") return undefined;
  const isPartial = state.phase === "paused" || state.phase === "failed" || state.phase === "absent";
  const total = state.bytesTotal || meta.totalBytes;
  return { id: meta.id, isStory, bytes: Math.max(0, total - (isPartial ? state.bytesDone : 0)) };
}

/** Returns the items that fit into the space together, in order; an item that is too large is skipped. */
export function fitting(items: readonly Downloadable[], space: number): Downloadable[] {
  let left = space;
  return items.filter((item) => {
    if (item.bytes > left) return false;
    left -= item.bytes;
    return true;
  });
}
