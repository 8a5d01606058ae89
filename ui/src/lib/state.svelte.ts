//! What the whole window knows: who is signed in, settings, sync, downloads under way. All of it comes from the core.
import { api } from "./api/client";
import type { AppState, CableState, DownloadState, Settings, SetSettings } from "./api/types";
import { wear } from "./appearance";
import { pick, speak } from "./i18n/index.svelte";
import { forgetKept, isEverything } from "./live.svelte";
import { onEvent } from "./platform/events";

class Desk {
  #app = $state.raw<AppState>();
  /** Downloads that moved since the lists were asked for, by id. */
  downloads = $state.raw<Record<string, DownloadState>>({});

  /** The file that comes or goes by cable. */
  cable = $state.raw<CableState>({ busy: false, bytesDone: 0, bytesTotal: 0 });
  /** Somebody wants to add from a file: the library opens its sheet. */
  adding = $state(false);

  get ready(): boolean {
    return this.#app !== undefined;
  }
  get app(): AppState {
    if (!this.#app) throw new Error("the app's state is not here yet");
    return this.#app;
  }

  async load(): Promise<void> {
    await this.take(await api.getAppState());
    onEvent((event) => {
      if (event.kind === "sync" && this.#app) this.#app = { ...this.#app, sync: event.status };
      if (event.kind === "cable") this.cable = event.state;
      // Events were lost: the states of all downloads follow.
      if (event.kind === "changed" && event.topics.some(isEverything)) this.downloads = {};
      if (event.kind === "download") this.downloads = { ...this.downloads, [event.id]: event.state };
      if (event.kind === "changed" && event.topics.some((t) => t.topic === "account" || t.topic === "settings")) void this.refresh();
    });
  }
  async refresh(): Promise<void> {
    await this.take(await api.getAppState());
  }
  /** A new state of the app, for example after signing in. */
  async take(app: AppState): Promise<void> {
    if (this.#app && this.#app.account?.id !== app.account?.id) {
      forgetKept();
      this.downloads = {};
    }
    await speak(pick(app.settings.language));
    wear(app.settings);
    this.#app = app;
  }

  /** Shows the change at once, keeps it if the core keeps it. */
  async set(change: SetSettings): Promise<void> {
    const before = this.app.settings;
    await this.#wearSettings({ ...before, ...change });
    try {
      await this.#wearSettings(await api.setSettings(change));
    } catch (cause) {
      await this.#wearSettings(before);
      throw cause;
    }
  }
  async #wearSettings(settings: Settings): Promise<void> {
    await speak(pick(settings.language));
    wear(settings);
    this.#app = { ...this.app, settings };
  }

  image(hash: string): string {
    return this.app.imageBase + hash;
  }
  media(hash: string): string {
    return this.app.mediaBase + hash;
  }
}

export const desk = new Desk();
