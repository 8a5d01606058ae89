//! Selects the host of the page: the app window, a browser on the bridge, or the fixture during development.
import { invoke, isTauri } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type { UiEvent } from "../api/types";
import { asFailure } from "./failure";

export interface Transport {
  /** `action` identifies the call in the diagnostics of this run. */
  call(name: string, request: unknown, action?: string): Promise<unknown>;
  /** Delivers events until `stop` is called. `ready` resolves when the channel is open or has failed to open. */
  listen(deliver: (event: UiEvent) => void): { ready: Promise<void>; stop: () => void };
}

const app: Transport = {
  call: (name, request, action) => invoke("call", { name, payload: request, action }),
  listen(deliver) {
    const opened = listen<UiEvent>("carrel://event", (event) => deliver(event.payload));
    return {
      ready: opened.then(
        () => undefined,
        () => undefined,
      ),
      stop: () => void opened.then((unlisten) => unlisten()),
    };
  },
};

const bridge: Transport = {
  async call(name, request, action = "") {
    let response: Response;
    try {
      response = await fetch(`/api/call/${name}`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-carrel-action": action },
        body: JSON.stringify(request ?? {}),
      });
    } catch (cause) {
      throw asFailure(cause, "unavailable");
    }
    const body: unknown = await response.json().catch(() => null);
    if (!response.ok) throw asFailure(body ?? `the bridge responded with status ${response.status}`);
    return body;
  },
  listen(deliver) {
    const source = new EventSource("/api/events");
    source.onmessage = (message) => deliver(JSON.parse(message.data as string) as UiEvent);
    const ready = new Promise<void>((resolve) => {
      source.addEventListener("open", () => resolve(), { once: true });
      // The browser reconnects automatically; the page must not wait for that.
      source.addEventListener("error", () => resolve(), { once: true });
    });
    return { ready, stop: () => source.close() };
  },
};

let chosen: Promise<Transport> | undefined;

/** Replaces the transport, for tests. */
export function useTransport(transport: Transport): void {
  chosen = Promise.resolve(transport);
}

export function transport(): Promise<Transport> {
  chosen ??= choose();
  return chosen;
}

async function choose(): Promise<Transport> {
  // `fixture` is the mode of the build for screenshots (scripts/shots.mjs).
  if (
    (import.meta.env.DEV || import.meta.env.MODE === "fixture") &&
    new URLSearchParams(location.search).has("fixture")
  ) {
    const { fixture } = await import("./fixture");
    return fixture(new URLSearchParams(location.search).get("fixture") ?? "");
  }
  return isTauri() ? app : bridge;
}
