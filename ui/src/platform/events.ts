import type { UiEvent } from "../api/types";
import { transport } from "./transport";

type Listener = (event: UiEvent) => void;
const listeners = new Set<Listener>();
let started: Promise<void> | undefined;

/** Hears what the core tells, until the returned function is called. One channel serves the whole page. */
export function onEvent(listener: Listener): () => void {
  listeners.add(listener);
  void listening();
  return () => void listeners.delete(listener);
}

/** Resolves once the channel delivers events: what the core tells from then on is not missed. */
export function listening(): Promise<void> {
  started ??= transport().then((host) => host.listen((event) => listeners.forEach((hear) => hear(event))).ready);
  return started;
}
