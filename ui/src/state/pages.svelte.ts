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
  readonly #asking = new Set<number>();
  /** Counts queries and changes, so that an outdated reply is dropped. */
  #turn = 0;
  /** The next reply belongs to a new query and replaces all pages. */
  #replace = false;

  constructor(size: number, load: (page: number) => Promise<PageOf<Item>>) {
    this.size = size;
    this.#load = load;
  }

  /** Starts a new query. `first`: its first page, if it is known already. */
  ask(first?: PageOf<Item>): void {
    this.#begin();
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
  news(first?: PageOf<Item>): void {
    if (this.#replace) return this.ask();
    this.#begin();
    for (const page of this.#pages.keys()) this.#stale.add(page);
    if (first) {
      this.#stale.delete(1);
      this.#pages.set(1, first.items);
      this.total = first.total;
    }
  }
  #begin(): void {
    this.#turn++;
    this.#asking.clear();
    this.failure = undefined;
  }

  at(index: number): Item | undefined {
    const page = Math.floor(index / this.size) + 1;
    return this.#pages.get(page)?.[index - (page - 1) * this.size];
  }
  /** Called for a rendered item: fetches its page if it is missing or stale. */
  need(index: number): void {
    const page = Math.floor(index / this.size) + 1;
    if (!this.#pages.has(page) || this.#stale.has(page)) queueMicrotask(() => void this.fetch(page));
  }

  async fetch(page: number): Promise<void> {
    if (this.#asking.has(page)) return;
    this.#asking.add(page);
    const turn = this.#turn;
    try {
      const list = await this.#load(page);
      if (turn !== this.#turn) return;
      this.#stale.delete(page);
      if (this.#replace) this.#pages.clear();
      this.#pages.set(page, list.items);
      this.#replace = false;
      this.total = list.total;
      this.failure = undefined;
    } catch (cause) {
      if (turn === this.#turn) this.failure = asFailure(cause);
    } finally {
      if (turn === this.#turn) this.#asking.delete(page);
    }
  }
}
