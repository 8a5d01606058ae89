//! Replies of the server for a view. They are read again on request and after changes; outdated replies are dropped.
import { untrack } from "svelte";
import { asFailure, type CommandFailure } from "../platform/failure";
import { staffApi, type StaffReply } from "./api";

/** The last replies of each person, so that a page that is opened again is complete in its first frame. */
// eslint-disable-next-line svelte/prefer-svelte-reactivity -- read once when a view is created
const keptReplies = new Map<string, StaffReply<unknown>>();
const MAX_KEPT_REPLIES = 30;
const SLOW_MS = 200;

/** Forgets all replies, when the person signs out. */
export function clearStaffReplies(): void {
  keptReplies.clear();
}

export class Loaded<Value> {
  reply = $state.raw<StaffReply<Value>>();
  error = $state.raw<CommandFailure>();
  loading = $state(false);
  /** Loading has taken long enough that a placeholder may be shown. */
  slow = $state(false);
  #version = 0;
  #key = "";

  get value(): Value | undefined {
    return this.reply?.value;
  }
  /** Requests a path. Without one, there is no value. */
  async request(path: string | undefined): Promise<void> {
    const version = ++this.#version;
    const key = path === undefined ? "" : `${staffApi().user.id} ${path}`;
    if (key !== this.#key) {
      this.#key = key;
      this.reply = keptReplies.get(key) as StaffReply<Value> | undefined;
      this.error = undefined;
    }
    if (path === undefined) return;
    this.loading = true;
    const timer = setTimeout(() => {
      if (version === this.#version) this.slow = true;
    }, SLOW_MS);
    try {
      const reply = await staffApi().get<Value>(path);
      if (version !== this.#version) return;
      this.reply = reply;
      this.error = undefined;
      keptReplies.delete(key);
      keptReplies.set(key, reply);
      if (keptReplies.size > MAX_KEPT_REPLIES) keptReplies.delete(keptReplies.keys().next().value!);
    } catch (cause) {
      if (version === this.#version) this.error = asFailure(cause);
    } finally {
      clearTimeout(timer);
      if (version === this.#version) {
        this.loading = false;
        this.slow = false;
      }
    }
  }
}

/** Provides a component with the reply for a path, and requests it again when the path changes. */
export function loaded<Value>(path: () => string | undefined): Loaded<Value> & { reload: () => Promise<void> } {
  const store = new Loaded<Value>();
  let last = untrack(path);
  void store.request(last);
  $effect(() => {
    const now = path();
    if (now === last) return;
    last = now;
    untrack(() => void store.request(now));
  });
  return Object.assign(store, { reload: () => store.request(untrack(path)) });
}

/** Reads a path until `isDone`, and returns the last reply. `onStep` gets each one. */
export async function poll<Value>(
  path: string,
  isDone: (value: Value) => boolean,
  onStep: (value: Value) => void,
  signal: AbortSignal,
): Promise<Value> {
  for (let wait = 150; ; wait = Math.min(wait * 1.5, 2_000)) {
    const { value } = await staffApi().get<Value>(path);
    if (signal.aborted) throw asFailure("cancelled", "cancelled");
    onStep(value);
    if (isDone(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
