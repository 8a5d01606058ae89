//! Requests of a search, and the pages of its results.
import type { SearchReply, SearchRequest } from "../../api/types";
import type { LibraryView } from "../../state/router.svelte";

/** Numbers of hours up to which the length of courses can be limited. */
export const searchHours = [1, 2, 5, 10, 20] as const;
export const PAGE_SIZE = 50;

/** Returns the request of a page of results; `page` counts from 1. */
export function searchRequest(view: LibraryView & { q: string }, page: number): SearchRequest {
  return {
    q: view.q,
    ...(view.difficulty ? { difficulty: view.difficulty } : {}),
    ...(view.category ? { category: view.category } : {}),
    ...(view.lang ? { lang: view.lang } : {}),
    ...(view.hours ? { maxHours: view.hours } : {}),
    ...(view.onDevice ? { onDevice: true } : {}),
    ...(view.finished ? { finished: view.finished === "yes" } : {}),
    ...(page > 1 ? { page } : {}),
  };
}

/** Removes the filters of a search, but not its text. */
export function withoutFilters(view: LibraryView): LibraryView {
  const { difficulty: _d, category: _c, lang: _l, hours: _h, onDevice: _o, finished: _f, ...rest } = view;
  return rest;
}

export function pageCount(reply: SearchReply): number {
  return Math.ceil(reply.total / PAGE_SIZE);
}
