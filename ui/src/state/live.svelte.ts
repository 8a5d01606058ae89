//! Data of a view: loaded by a command, and again when the core reports a change. Outdated replies are dropped.
//! Does not poll and does not access the network.
import { untrack } from "svelte";
import type { Topic } from "../api/types";
import type { Query } from "../platform/call";
import { onEvent } from "../platform/events";
import { asFailure, type CommandFailure } from "../platform/failure";

/** The last replies, so that a page that is opened again is rendered in its first frame. */
// eslint-disable-next-line svelte/prefer-svelte-reactivity -- read once when a screen is created
const keptReplies = new Map<string, unknown>();
const MAX_KEPT_REPLIES = 40;
function keepReply(key: string, value: unknown): void {
  keptReplies.delete(key);
  keptReplies.set(key, value);
  if (keptReplies.size > MAX_KEPT_REPLIES) keptReplies.delete(keptReplies.keys().next().value!);
}
/** Clears the kept replies. Called when another learner signs in. */
export function clearKeptReplies(): void {
  keptReplies.clear();
}

/** Whether a topic covers all courses and stories, as the core reports after events were lost. */
export function isEverything(topic: Topic): boolean {
  return (topic.topic === "progress" && topic.root === "") || (topic.topic === "enrolment" && topic.course === "");
}

export class Live<Value> {
  value = $state.raw<Value | undefined>();
  error = $state.raw<CommandFailure | undefined>();
  loading = $state(false);
  /** Whether loading has taken 200 ms, so that a placeholder may be shown. */
  slow = $state(false);
  #version = 0;
  #key = "";

  /** Loads the value. A reply to an outdated request is dropped. */
  async request(key: string, load: () => Promise<Value>): Promise<void> {
    const version = ++this.#version;
    if (key !== this.#key) {
      this.#key = key;
      this.value = keptReplies.get(key) as Value | undefined;
      this.error = undefined;
    }
    this.loading = true;
    const slowTimer = setTimeout(() => {
      if (version === this.#version) this.slow = true;
    }, 200);
    try {
      const value = await load();
      if (version !== this.#version) return;
      this.value = value;
      this.error = undefined;
      keepReply(key, value);
    } catch (cause) {
      if (version !== this.#version) return;
      this.error = asFailure(cause);
    } finally {
      clearTimeout(slowTimer);
      if (version === this.#version) {
        this.loading = false;
        this.slow = false;
      }
    }
  }

  /** Sets an optimistic value, which the next reply replaces. A pending reply is dropped. */
  put(value: Value): void {
    this.#version++;
    this.loading = false;
    this.slow = false;
    this.value = value;
    keepReply(this.#key, value);
  }

  /** Clears the value. A pending reply is dropped. */
  clear(): void {
    this.#version++;
    this.#key = "";
    this.value = undefined;
    this.error = undefined;
    this.loading = false;
    this.slow = false;
  }
}

/**
 * Provides a component with the reply to a query. Runs the query when the component is created, when the request
 * changes, and when the reply is stale (`stale on` in the registry of crates/commands). Without a request: no value.
 */
export function live<Request, Reply>(
  query: Query<Request, Reply>,
  request: () => Request | undefined,
): Live<Reply> & { reload: () => void } {
  const store = new Live<Reply>();
  const key = (now: Request | undefined): string =>
    now === undefined ? "" : `${query.command} ${JSON.stringify(now)}`;
  const loadReply = (now: Request | undefined): void => {
    if (now === undefined) store.clear();
    else void store.request(key(now), () => query(now));
  };
  const reload = (): void => loadReply(untrack(request));
  // Runs before the first paint, so that a kept reply is part of it.
  const first = untrack(request);
  let lastKey = key(first);
  loadReply(first);
  $effect(() => {
    const now = request();
    if (key(now) === lastKey) return;
    lastKey = key(now);
    untrack(() => loadReply(now));
  });
  $effect(() =>
    onEvent((event) => {
      const now = untrack(request);
      if (event.kind !== "changed" || now === undefined) return;
      if (event.topics.some((topic) => query.isStale(topic, now))) loadReply(now);
    }),
  );
  return Object.assign(store, { reload });
}
