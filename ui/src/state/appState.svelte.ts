//! What the whole window knows: who is signed in, settings, sync, downloads under way. All of it comes from the core.
import { SvelteMap } from "svelte/reactivity";
import { api } from "../api/client";
import type { AppState, CableState, DownloadState, Settings, SetSettings, SyncStatus, UiEvent } from "../api/types";
import { applyTheme } from "./appearance";
import { pick, setLanguage } from "../i18n/index.svelte";
import { forgetKept, isEverything } from "./live.svelte";
import { listening, onEvent } from "../platform/events";

class AppStateStore {
  #app = $state.raw<AppState>();
  /** Downloads that moved since the lists were asked for, by id. */
  readonly downloads = new SvelteMap<string, DownloadState>();

  /** The file that comes or goes by cable. */
  cable = $state.raw<CableState>({ busy: false, bytesDone: 0, bytesTotal: 0 });
  /** Somebody wants to add from a file: the library opens its sheet. */
  adding = $state(false);
  #subscribed = false;
  /** Counts states that were asked for or taken: a reply that a later one overtook is dropped. */
  #turn = 0;
  /** The newest sync status of an event since the last state was asked for. */
  #sync: SyncStatus | undefined;

  get ready(): boolean {
    return this.#app !== undefined;
  }
  get app(): AppState {
    if (!this.#app) throw new Error("the app's state is not here yet");
    return this.#app;
  }

  /** Subscribes first and loads second: an event between the two is applied, not missed. */
  async load(): Promise<void> {
    if (!this.#subscribed) {
      this.#subscribed = true;
      onEvent((event) => this.#hear(event));
    }
    await listening();
    await this.refresh();
  }
  #hear(event: UiEvent): void {
    if (event.kind === "sync") {
      this.#sync = event.status;
      if (this.#app) this.#app = { ...this.#app, sync: event.status };
    }
    if (event.kind === "cable") this.cable = event.state;
    // Events were lost: the states of all downloads follow.
    if (event.kind === "changed" && event.topics.some(isEverything)) this.downloads.clear();
    if (event.kind === "download") this.downloads.set(event.id, event.state);
    // A failed reload is not lost: the next event of this topic asks again.
    if (event.kind === "changed" && event.topics.some((topic) => api.getAppState.isStale(topic, {})))
      void this.refresh().catch(() => undefined);
  }
  async refresh(): Promise<void> {
    const turn = ++this.#turn;
    this.#sync = undefined;
    const app = await api.getAppState();
    if (turn === this.#turn) await this.#show(app, turn);
  }
  /** A new state of the app, for example after signing in. */
  async take(app: AppState): Promise<void> {
    this.#sync = undefined;
    await this.#show(app, ++this.#turn);
  }
  async #show(app: AppState, turn: number): Promise<void> {
    await setLanguage(pick(app.settings.language));
    if (turn !== this.#turn) return;
    if (this.#app && this.#app.account?.id !== app.account?.id) {
      forgetKept();
      this.downloads.clear();
    }
    applyTheme(app.settings);
    this.#app = this.#sync ? { ...app, sync: this.#sync } : app;
  }

  /** Shows the change at once, keeps it if the core keeps it. */
  async set(change: SetSettings): Promise<void> {
    const before = this.app.settings;
    const account = this.app.account?.id;
    await this.#showSettings({ ...before, ...change });
    try {
      const kept = await api.setSettings(change);
      // Another learner may have opened the app meanwhile.
      if (this.app.account?.id === account) await this.#showSettings(kept);
    } catch (cause) {
      if (this.app.account?.id === account) await this.#showSettings(before);
      throw cause;
    }
  }
  async #showSettings(settings: Settings): Promise<void> {
    await setLanguage(pick(settings.language));
    applyTheme(settings);
    this.#app = { ...this.app, settings };
  }

  image(hash: string): string {
    return this.app.imageBase + hash;
  }
  media(hash: string): string {
    return this.app.mediaBase + hash;
  }
}

export const appState = new AppStateStore();
