//! A view's data: loaded through a command, loaded again when the core says that it changed. Late answers to old questions are dropped.
//! Nothing here polls and nothing knows the network.
import { untrack } from "svelte";
import type { Topic } from "../api/types";
import type { Query } from "../platform/call";
import { onEvent } from "../platform/events";
import { asFailure, type CommandFailure } from "../platform/failure";

/** The last answers, so that a page that was open a moment ago is there in the same frame. */
// eslint-disable-next-line svelte/prefer-svelte-reactivity -- read once when a screen is made
const kept = new Map<string, unknown>();
const KEPT = 40;
function keep(key: string, value: unknown): void {
  kept.delete(key);
  kept.set(key, value);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value!);
}
/** Another learner opened the app. */
export function forgetKept(): void {
  kept.clear();
}

/** Events were lost: all of these may have changed, whatever a view shows of them. */
export function isEverything(topic: Topic): boolean {
  return (topic.topic === "progress" && topic.root === "") || (topic.topic === "enrolment" && topic.course === "");
}

export class Live<Value> {
  value = $state.raw<Value | undefined>();
  error = $state.raw<CommandFailure | undefined>();
  loading = $state(false);
  /** Waiting has become noticeable (200 ms): a skeleton may be shown. */
  slow = $state(false);
  #turn = 0;
  #key = "";

  /** Asks; an answer that was overtaken by a later question is dropped. */
  async ask(key: string, load: () => Promise<Value>): Promise<void> {
    const turn = ++this.#turn;
    if (key !== this.#key) {
      this.#key = key;
      this.value = kept.get(key) as Value | undefined;
      this.error = undefined;
    }
    this.loading = true;
    const patience = setTimeout(() => {
      if (turn === this.#turn) this.slow = true;
    }, 200);
    try {
      const value = await load();
      if (turn !== this.#turn) return;
      this.value = value;
      this.error = undefined;
      keep(key, value);
    } catch (cause) {
      if (turn !== this.#turn) return;
      this.error = asFailure(cause);
    } finally {
      clearTimeout(patience);
      if (turn === this.#turn) {
        this.loading = false;
        this.slow = false;
      }
    }
  }

  /** Shows a value at once (optimism); the next answer replaces it. Any answer still on its way is dropped. */
  put(value: Value): void {
    this.#turn++;
    this.loading = false;
    this.slow = false;
    this.value = value;
    keep(this.#key, value);
  }

  /** Nothing is asked for now. */
  clear(): void {
    this.#turn++;
    this.#key = "";
    this.value = undefined;
    this.error = undefined;
    this.loading = false;
    this.slow = false;
  }
}

/**
 * For a component: the reply to a query. Asks when the component is made, when the request changes, and when a change
 * makes the reply stale (see `stale on` in the registry of crates/commands). No request: asks nothing.
 */
export function live<Request, Reply>(
  query: Query<Request, Reply>,
  request: () => Request | undefined,
): Live<Reply> & { reload: () => void } {
  const store = new Live<Reply>();
  const key = (now: Request | undefined): string =>
    now === undefined ? "" : `${query.command} ${JSON.stringify(now)}`;
  const ask = (now: Request | undefined): void => {
    if (now === undefined) store.clear();
    else void store.ask(key(now), () => query(now));
  };
  const reload = (): void => ask(untrack(request));
  // Before the first paint, so that a kept reply is in it.
  const first = untrack(request);
  let asked = key(first);
  ask(first);
  $effect(() => {
    const now = request();
    if (key(now) === asked) return;
    asked = key(now);
    untrack(() => ask(now));
  });
  $effect(() =>
    onEvent((event) => {
      const now = untrack(request);
      if (event.kind !== "changed" || now === undefined) return;
      if (event.topics.some((topic) => query.isStale(topic, now))) ask(now);
    }),
  );
  return Object.assign(store, { reload });
}
