//! A paged list. Fetches a page when its items are rendered; a refresh keeps items until their new page is loaded.
import { SvelteMap, SvelteSet } from "svelte/reactivity";
import { asFailure, type CommandFailure } from "../platform/failure";

export interface PageOf<Item> {
  items: Item[];
  total: number;
}

/** The loaded pages of the newest queries, so that a list that is opened again is rendered in its first frame. */
// eslint-disable-next-line svelte/prefer-svelte-reactivity -- read once when a query starts
const keptPages = new Map<string, { total: number; pages: Map<number, unknown[]> }>();
const MAX_KEPT_QUERIES = 8;
/** Clears the kept pages. Called when another learner signs in. */
export function clearKeptPages(): void {
  keptPages.clear();
}

export class Pages<Item> {
  total = $state(0);
  failure = $state.raw<CommandFailure>();
  readonly size: number;
  #pages = new SvelteMap<number, Item[]>();
  #load: (page: number) => Promise<PageOf<Item>>;
  /** Pages from before the last change, shown until they are fetched again. */
  #stale = new SvelteSet<number>();
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- not rendered
  readonly #loadingPages = new Set<number>();
  /** Incremented by each query and change, so that an outdated reply is dropped. */
  #version = 0;
  /** Whether the next reply belongs to a new query and replaces all pages. */
  #replace = false;
  /** Names the query, to keep its pages; empty: they are not kept. */
  #key = "";

  constructor(size: number, load: (page: number) => Promise<PageOf<Item>>) {
    this.size = size;
    this.#load = load;
  }

  /** Starts a new query. `first`: its first page, if already known. `key`: names the query, to keep its pages. */
  start(first?: PageOf<Item>, key = ""): void {
    this.#reset();
    this.#stale.clear();
    this.#key = key;
    const kept = keptPages.get(key);
    this.#replace = !first && !kept;
    if (!this.#replace) this.#pages.clear();
    for (const [page, items] of kept?.pages ?? []) {
      this.#pages.set(page, items as Item[]);
      this.#stale.add(page);
    }
    if (kept) this.total = kept.total;
    if (first) this.#putFirst(first);
    else void this.fetch(1);
  }
  #putFirst(first: PageOf<Item>): void {
    this.#stale.delete(1);
    this.#pages.set(1, first.items);
    this.total = first.total;
    this.#keep();
  }
  #keep(): void {
    if (!this.#key) return;
    keptPages.delete(this.#key);
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- a copy that does not change
    keptPages.set(this.#key, { total: this.total, pages: new Map(this.#pages) });
    if (keptPages.size > MAX_KEPT_QUERIES) keptPages.delete(keptPages.keys().next().value!);
  }
  /** Marks the pages of the current query as stale. `first`: its new first page, if already known. */
  invalidate(first?: PageOf<Item>): void {
    if (this.#replace) return this.start(undefined, this.#key);
    this.#reset();
    for (const page of this.#pages.keys()) this.#stale.add(page);
    if (first) this.#putFirst(first);
  }
  #reset(): void {
    this.#version++;
    this.#loadingPages.clear();
    this.failure = undefined;
  }

  at(index: number): Item | undefined {
    const page = Math.floor(index / this.size) + 1;
    return this.#pages.get(page)?.[index - (page - 1) * this.size];
  }
  /** Fetches the page of a rendered item if it is missing or stale. */
  ensure(index: number): void {
    const page = Math.floor(index / this.size) + 1;
    if (!this.#pages.has(page) || this.#stale.has(page)) queueMicrotask(() => void this.fetch(page));
  }

  async fetch(page: number): Promise<void> {
    if (this.#loadingPages.has(page)) return;
    this.#loadingPages.add(page);
    const version = this.#version;
    try {
      const list = await this.#load(page);
      if (version !== this.#version) return;
      this.#stale.delete(page);
      if (this.#replace) this.#pages.clear();
      this.#pages.set(page, list.items);
      this.#replace = false;
      this.total = list.total;
      this.failure = undefined;
      this.#keep();
    } catch (cause) {
      if (version === this.#version) this.failure = asFailure(cause);
    } finally {
      if (version === this.#version) this.#loadingPages.delete(page);
    }
  }
}
