//! Events of the core, over one channel for the whole page.
import type { UiEvent } from "../api/types";
import { transport } from "./transport";

type Listener = (event: UiEvent) => void;
const listeners = new Set<Listener>();
let started: Promise<void> | undefined;

/** Calls `listener` for each event until the returned function is called. */
export function onEvent(listener: Listener): () => void {
  listeners.add(listener);
  void listening();
  return () => void listeners.delete(listener);
}

/** Resolves when the channel is open or has failed to open. */
export function listening(): Promise<void> {
  started ??= transport().then(
    (host) => host.listen((event) => listeners.forEach((listener) => listener(event))).ready,
  );
  return started;
}
