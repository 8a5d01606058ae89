import type { UiEvent } from "../api/types";
import { transport } from "./transport";

type Listener = (event: UiEvent) => void;
const listeners = new Set<Listener>();
let started = false;

/** Hears what the core tells, until the returned function is called. One channel serves the whole page. */
export function onEvent(listener: Listener): () => void {
  listeners.add(listener);
  if (!started) {
    started = true;
    void transport().then((host) => host.listen((event) => listeners.forEach((hear) => hear(event))));
  }
  return () => void listeners.delete(listener);
}
