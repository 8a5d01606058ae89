//! A long list that is fetched a page at a time as its rows are drawn, and refreshed without losing what is on the screen.
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
  /** Pages from before the last news: shown until their new items arrive. */
  #stale = new SvelteSet<number>();
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- nothing is drawn from it
  readonly #asking = new Set<number>();
  /** Counts questions and news: a reply to an older one is dropped. */
  #turn = 0;
  /** The next reply answers a new question: it replaces everything. */
  #replace = false;

  constructor(size: number, load: (page: number) => Promise<PageOf<Item>>) {
    this.size = size;
    this.#load = load;
  }

  /** A new question. `first`: its first page, if that is known already. */
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
  /** The same question, whose answer may have changed. What is drawn stays until its pages have come again. */
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
  /** An item is drawn: its page is asked for if it is not here or from before the last news. */
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
