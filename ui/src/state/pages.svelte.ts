//! A long list. Fetches a page when its rows are rendered; refreshes without discarding what is on the screen.
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
  /** Pages from before the last change: shown until their new items arrive. */
  #stale = new SvelteSet<number>();
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- not rendered
  readonly #loadingPages = new Set<number>();
  /** Counts queries and changes, so that an outdated reply is dropped. */
  #version = 0;
  /** The next reply belongs to a new query and replaces all pages. */
  #replace = false;

  constructor(size: number, load: (page: number) => Promise<PageOf<Item>>) {
    this.size = size;
    this.#load = load;
  }

  /** Starts a new query. `first`: its first page, if it is known already. */
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
  /** Marks the pages of the same query as stale. They stay on the screen until they are fetched again. */
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
  /** Called for a rendered item: fetches its page if it is missing or stale. */
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
