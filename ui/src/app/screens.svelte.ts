//! The screens of the app. All except the library are separate chunks, prefetched or loaded when first shown.
import type { Component } from "svelte";
import { SvelteMap } from "svelte/reactivity";
import Library from "../features/library/Library.svelte";
import type { Route } from "../state/router.svelte";

export type ScreenName = Route["name"];
export type Screen = Component<{ route: Route }>;
type Loaders = Partial<Record<ScreenName, () => Promise<{ default: unknown }>>>;

export class Screens {
  #loaded = new SvelteMap<ScreenName, Screen>();
  #errors = new SvelteMap<ScreenName, unknown>();
  /** Chunks that are being loaded. */
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- not rendered
  #loading = new Map<ScreenName, Promise<void>>();
  #loaders: Loaders;
  #reload: () => Promise<void>;

  /** `reload` reloads the page if its host can be reached. */
  constructor(
    loaded: Partial<Record<ScreenName, unknown>>,
    loaders: Loaders,
    reload: () => Promise<void> = reloadPage,
  ) {
    for (const [name, screen] of Object.entries(loaded)) this.#loaded.set(name as ScreenName, screen as Screen);
    this.#loaders = loaders;
    this.#reload = reload;
  }

  get(name: ScreenName): Screen | undefined {
    return this.#loaded.get(name);
  }
  /** The error of the last attempt to load the screen's chunk. */
  error(name: ScreenName): unknown {
    return this.#errors.get(name);
  }

  /** Loads the chunk of a screen unless it is loaded. Never rejects: see `error`. */
  load(name: ScreenName): Promise<void> {
    if (this.#loaded.has(name)) return Promise.resolve();
    const loading = this.#loading.get(name) ?? this.#fetch(name);
    this.#loading.set(name, loading);
    return loading;
  }
  async #fetch(name: ScreenName): Promise<void> {
    try {
      const module = await this.#loaders[name]?.();
      if (!module) throw new Error(`unknown screen "${name}"`);
      this.#loaded.set(name, module.default as Screen);
      this.#errors.delete(name);
    } catch (cause) {
      console.error(`the screen "${name}" could not be loaded`, cause);
      this.#errors.set(name, cause);
    } finally {
      this.#loading.delete(name);
    }
  }

  /**
   * Loads a failed chunk again. After another failure reloads the page at the same address, because some engines never
   * refetch a module whose first fetch failed.
   */
  async retry(name: ScreenName): Promise<void> {
    await this.#fetch(name);
    if (!this.#loaded.has(name)) await this.#reload();
  }
}

/** Reloads the page if its host responds. Otherwise a browser would replace the app with its own error page. */
async function reloadPage(): Promise<void> {
  const reachable = await fetch(location.pathname, { cache: "no-store" }).then(
    (response) => response.ok,
    () => false,
  );
  if (reachable) location.reload();
}

/** The library is part of the first load. */
export const screens = new Screens(
  { library: Library },
  {
    course: () => import("../features/course/Course.svelte"),
    read: () => import("../features/lesson/Lesson.svelte"),
    book: () => import("../features/story/StoryDetails.svelte"),
    story: () => import("../features/story/Story.svelte"),
    review: () => import("../features/review/Review.svelte"),
    progress: () => import("../features/progress/Progress.svelte"),
    sync: () => import("../features/sync/Sync.svelte"),
    settings: () => import("../features/settings/Settings.svelte"),
    storage: () => import("../features/storage/Storage.svelte"),
    diagnostics: () => import("../features/diagnostics/Diagnostics.svelte"),
    teach: () => import("../staff/app/Teach.svelte"),
    administer: () => import("../staff/app/Administer.svelte"),
    welcome: () => import("../features/welcome/Welcome.svelte"),
    notFound: () => import("./NotFound.svelte"),
  },
);
