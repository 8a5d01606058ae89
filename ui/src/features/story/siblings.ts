//! The same story in its other languages.
import type { DownloadState } from "../../api/types";
import { router } from "../../state/router.svelte";

export function isOnDevice(state: DownloadState): boolean {
  return state.readable || state.phase === "ready" || state.phase === "outdated";
}

const KEY = "page";

/** Opens the same page of a story in another language. Back leads to the page before the story, as without the switch. */
export function switchLanguage(story: string, page: number): void {
  router.replace({ name: "story", item: story });
  router.remember(KEY, { story, page });
}
/** Returns the page at which `switchLanguage` opened this story; none if it was opened otherwise. */
export function switchedPage(story: string): number | undefined {
  const switched = router.recall<{ story: string; page: number }>(KEY);
  return switched?.story === story ? switched.page : undefined;
}
