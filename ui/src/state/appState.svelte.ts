//! State of the whole UI: account, settings, sync, downloads, and the export or import in progress.
import { SvelteMap } from "svelte/reactivity";
import { api } from "../api/client";
import type { AppState, TransferState, DownloadState, Settings, SetSettings, SyncStatus, UiEvent } from "../api/types";
import { applyTheme } from "./appearance";
import { deviceSettings, missingIn, setDeviceSettings } from "./deviceSettings";
import { pick, setLanguage } from "../i18n/index.svelte";
import { clearKeptReplies, isEverything } from "./live.svelte";
import { clearKeptPages } from "./pages.svelte";
import { listening, onEvent } from "../platform/events";

class AppStateStore {
  #app = $state.raw<AppState>();
  /** Downloads that changed since the lists were loaded, by id. */
  readonly downloads = new SvelteMap<string, DownloadState>();

  /** The export or import in progress. */
  transfer = $state.raw<TransferState>({ busy: false, bytesDone: 0, bytesTotal: 0 });
  /** Whether the library shows the import dialog; other screens set it, too. */
  isImportRequested = $state(false);
  /** The address of a server from a link that the user confirmed; the Welcome screen connects to it. */
  proposedServer = $state("");
  /** The enrolment code of that link, if it has one. */
  proposedToken = "";
  #subscribed = false;
  /** Incremented by each `refresh` and `replace`, so that an outdated reply is dropped. */
  #version = 0;
  /** The newest sync status from events after the last request of the state. */
  #sync: SyncStatus | undefined;

  get ready(): boolean {
    return this.#app !== undefined;
  }
  get app(): AppState {
    if (!this.#app) throw new Error("the app state is not loaded yet");
    return this.#app;
  }

  /** Subscribes to events, then loads the state, so that no event is missed. */
  async load(): Promise<void> {
    if (!this.#subscribed) {
      this.#subscribed = true;
      onEvent((event) => this.#handleEvent(event));
    }
    await listening();
    await this.refresh();
  }
  #handleEvent(event: UiEvent): void {
    if (event.kind === "sync") {
      this.#sync = event.status;
      if (this.#app) this.#app = { ...this.#app, sync: event.status };
    }
    if (event.kind === "transfer") this.transfer = event.state;
    // Events were lost: the core sends the states of all downloads again.
    if (event.kind === "changed" && event.topics.some(isEverything)) this.downloads.clear();
    if (event.kind === "download") this.downloads.set(event.id, event.state);
    // A failed refresh is repeated at the next event of this topic.
    if (event.kind === "changed" && event.topics.some((topic) => api.getAppState.isStale(topic, {})))
      void this.refresh().catch(() => undefined);
  }
  async refresh(): Promise<void> {
    const version = ++this.#version;
    this.#sync = undefined;
    const app = await api.getAppState();
    if (version === this.#version) await this.#apply(app, version);
  }
  /** Sets a new state, for example after signing in. */
  async replace(app: AppState): Promise<void> {
    this.#sync = undefined;
    await this.#apply(app, ++this.#version);
  }
  async #apply(loaded: AppState, version: number): Promise<void> {
    const app = loaded.account ? loaded : { ...loaded, settings: { ...loaded.settings, ...deviceSettings() } };
    const isOpened = this.#app !== undefined && !this.#app.account && app.account !== null;
    await setLanguage(pick(app.settings.language));
    if (version !== this.#version) return;
    if (this.#app && this.#app.account?.id !== app.account?.id) {
      clearKeptReplies();
      clearKeptPages();
      this.downloads.clear();
    }
    applyTheme(app.settings);
    this.#app = this.#sync ? { ...app, sync: this.#sync } : app;
    // The choices of the first screen become settings of an account that has none of its own.
    const chosen = missingIn(app.settings);
    if (isOpened && Object.keys(chosen).length > 0) await this.changeSettings(chosen).catch(() => undefined);
  }

  /**
   * Applies a change immediately and reverts it if the core does not store it. Without an account, language and theme
   * are kept for this device.
   */
  async changeSettings(change: SetSettings): Promise<void> {
    const before = this.app.settings;
    if (!this.app.account) {
      const { language, theme, contentLanguages } = change;
      setDeviceSettings({
        ...(language === undefined ? {} : { language }),
        ...(theme ? { theme } : {}),
        ...(contentLanguages ? { contentLanguages } : {}),
      });
      return this.#applySettings({ ...before, ...change });
    }
    const account = this.app.account?.id;
    await this.#applySettings({ ...before, ...change });
    try {
      const stored = await api.setSettings(change);
      // Another learner may have signed in during the request.
      if (this.app.account?.id === account) await this.#applySettings(stored);
    } catch (cause) {
      if (this.app.account?.id === account) await this.#applySettings(before);
      throw cause;
    }
  }
  async #applySettings(settings: Settings): Promise<void> {
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
