//! A paged list. Fetches a page when its items are rendered; a refresh keeps items until their new page is loaded.
import { SvelteMap, SvelteSet } from "svelte/reactivity";
import { asFailure, type CommandFailure } from "../platform/failure";

export interface PageOf<Item> {
  items: Item[];
  total: number;
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

  constructor(size: number, load: (page: number) => Promise<PageOf<Item>>) {
    this.size = size;
    this.#load = load;
  }

  /** Starts a new query. `first`: its first page, if already known. */
  start(first?: PageOf<Item>): void {
    this.#reset();
    this.#stale.clear();
    if (first) {
      this.#replace = false;
      this.#pages.clear();
      this.#pages.set(1, first.items);
      this.total = first.total;
    } else {
      this.#replace = true;
      void this.fetch(1);
    }
  }
  /** Marks the pages of the current query as stale. `first`: its new first page, if already known. */
  invalidate(first?: PageOf<Item>): void {
    if (this.#replace) return this.start();
    this.#reset();
    for (const page of this.#pages.keys()) this.#stale.add(page);
    if (first) {
      this.#stale.delete(1);
      this.#pages.set(1, first.items);
      this.total = first.total;
    }
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
    } catch (cause) {
      if (version === this.#version) this.failure = asFailure(cause);
    } finally {
      if (version === this.#version) this.#loadingPages.delete(page);
    }
  }
}
