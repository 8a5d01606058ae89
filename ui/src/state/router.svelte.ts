//! Routes of the app, stored after `#` in the address, and the values of each history entry, such as its scroll position.
//! The shell selects the screen of a route.
import type { Difficulty } from "../api/types";

/** The selections on the library. A missing value is the default. */
export interface LibraryView {
  tab?: "courses" | "stories";
  difficulty?: Difficulty;
  level?: number;
  category?: string;
  lang?: string;
  /** Every language, although the learner has chosen some in the settings. */
  allLanguages?: boolean;
  q?: string;
  /** Filters of a search: longest course in hours, on this device, finished. */
  hours?: number;
  onDevice?: boolean;
  finished?: "yes" | "no";
}

export type Route =
  | { name: "library"; view?: LibraryView }
  | { name: "course"; course: string }
  | { name: "read"; item: string }
  | { name: "story"; item: string }
  | { name: "book"; story: string }
  | { name: "review" }
  | { name: "progress" }
  | { name: "sync" }
  | { name: "settings" }
  | { name: "storage" }
  | { name: "diagnostics" }
  /** The pages for staff; the part of the address after the area. */
  | { name: "teach"; path: string }
  | { name: "administer"; path: string }
  | { name: "welcome"; account?: string }
  | { name: "notFound" };

const slug = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const MAX_TEXT = 200;

/** Reads the selections from the query of an address. Unknown names and invalid values are ignored. */
function parseView(query: string): LibraryView {
  const params = new URLSearchParams(query);
  const text = (name: string): string => (params.get(name) ?? "").trim().slice(0, MAX_TEXT);
  const view: LibraryView = {};
  const tab = text("tab");
  if (tab === "courses" || tab === "stories") view.tab = tab;
  const difficulty = text("difficulty").toUpperCase();
  if (difficulty === "BEGINNER" || difficulty === "INTERMEDIATE" || difficulty === "ADVANCED")
    view.difficulty = difficulty;
  if (/^[1-5]$/.test(text("level"))) view.level = Number(text("level"));
  if (text("subject")) view.category = text("subject");
  if (/^[A-Za-z0-9_-]{2,35}$/.test(text("lang"))) view.lang = text("lang");
  if (text("languages") === "all") view.allLanguages = true;
  if (text("q")) view.q = text("q");
  if (/^[1-9]\d{0,2}$/.test(text("hours"))) view.hours = Number(text("hours"));
  if (text("device") === "this") view.onDevice = true;
  const finished = text("finished");
  if (finished === "yes" || finished === "no") view.finished = finished;
  return view;
}
function formatView(view: LibraryView): string {
  const selections: [string, string | number | undefined][] = [
    ["tab", view.tab],
    ["difficulty", view.difficulty?.toLowerCase()],
    ["level", view.level],
    ["subject", view.category],
    ["lang", view.lang],
    ["languages", view.allLanguages ? "all" : undefined],
    ["q", view.q],
    ["hours", view.hours],
    ["device", view.onDevice ? "this" : undefined],
    ["finished", view.finished],
  ];
  const params = selections.flatMap(([name, value]) => (value ? [[name, String(value)]] : []));
  return params.length > 0 ? `?${new URLSearchParams(params).toString()}` : "";
}

export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split(/\?(.*)/s);
  const [head = "", ...rest] = path.split("/");
  const parts = rest.filter((part) => part !== "");
  const item = parts.join("/");
  const isValid = parts.every((part) => slug.test(part));
  if (head === "" && parts.length === 0) {
    const view = parseView(query);
    return Object.keys(view).length === 0 ? { name: "library" } : { name: "library", view };
  }
  if (head === "course" && isValid && parts.length === 1) return { name: "course", course: item };
  if (head === "book" && isValid && parts.length === 1) return { name: "book", story: item };
  if (head === "read" && isValid && parts.length === 3) return { name: "read", item };
  if (head === "story" && isValid && (parts.length === 1 || parts.length === 2)) return { name: "story", item };
  if (
    (head === "review" ||
      head === "progress" ||
      head === "sync" ||
      head === "settings" ||
      head === "storage" ||
      head === "diagnostics") &&
    parts.length === 0
  )
    return { name: head };
  if ((head === "teach" || head === "administer") && isValid && parts.length <= 3) return { name: head, path: item };
  // The id of an account on this device, whose learner signs in again.
  if (head === "welcome" && isValid && parts.length <= 1) return item ? { name: head, account: item } : { name: head };
  return { name: "notFound" };
}

export function href(route: Route): string {
  switch (route.name) {
    case "library":
      return `#/${formatView(route.view ?? {})}`;
    case "notFound":
      return "#/";
    case "course":
      return `#/course/${route.course}`;
    case "book":
      return `#/book/${route.story}`;
    case "read":
    case "story":
      return `#/${route.name}/${route.item}`;
    case "teach":
    case "administer":
      return route.path ? `#/${route.name}/${route.path}` : `#/${route.name}`;
    case "welcome":
      return route.account ? `#/welcome/${route.account}` : "#/welcome";
    default:
      return `#/${route.name}`;
  }
}

/** Returns the address of a section or story. */
export function itemHref(item: string, isStory: boolean): string {
  return href({ name: isStory ? "story" : "read", item });
}

type Values = Record<string, unknown>;
const STORE = "carrel.history";
const MAX_ENTRIES = 100;

/**
 * The values of the history entries, by number. Kept in the session storage, so that they survive a reload. They are not
 * in `history.state`, because a link is followed before the state of the old entry could be written, and because WebKit
 * limits the number of writes.
 */
class Entries {
  #values: Map<number, Values>;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.#values = new Map(read());
  }
  get(entry: number): Values {
    return this.#values.get(entry) ?? {};
  }
  set(entry: number, key: string, value: unknown): void {
    const values = { ...this.get(entry), [key]: value };
    // The newest entries are last.
    this.#values.delete(entry);
    this.#values.set(entry, values);
    if (this.#values.size > MAX_ENTRIES) this.#values.delete(this.#values.keys().next().value!);
    this.#timer ??= setTimeout(() => this.write(), 250);
  }
  /** Removes the values of an entry whose number is used again. */
  delete(entry: number): void {
    this.#values.delete(entry);
  }
  get newest(): number {
    return Math.max(0, ...this.#values.keys());
  }
  write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      sessionStorage.setItem(STORE, JSON.stringify([...this.#values]));
    } catch {
      // Without storage, the values are lost on a reload.
    }
  }
}
function read(): [number, Values][] {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(STORE) ?? "[]");
    return Array.isArray(stored)
      ? stored.filter((e): e is [number, Values] => Array.isArray(e) && typeof e[0] === "number" && !!e[1])
      : [];
  } catch {
    return [];
  }
}

class Router {
  route = $state.raw<Route>(parse(typeof location === "undefined" ? "" : location.hash));
  /** Incremented when a page is opened, by a link or the history; not when the address of the same page changes. */
  navigation = $state(0);
  #entries = new Entries();
  #entry = 0;
  #newest = 0;
  /** Whether the last navigation keeps the focus where it is. */
  isQuiet = false;
  #isQuietNext = false;
  /** The scroll position to restore on the next page. */
  scrollTop = 0;

  start(): () => void {
    history.scrollRestoration = "manual";
    const entry = (history.state as { entry?: number } | null)?.entry;
    this.#entry = entry ?? 0;
    this.#newest = Math.max(this.#entry, this.#entries.newest);
    // A page without a number has been opened by an address: a new session.
    if (entry === undefined) this.#entries.delete(0);
    this.scrollTop = this.#scrollOf(this.#entry);
    this.#numberEntry();
    const changed = (): void => {
      const entry = (history.state as { entry?: number } | null)?.entry;
      if (entry === undefined) {
        const from = this.#entry;
        this.#openEntry(from);
        this.#numberEntry();
      } else {
        this.#entry = entry;
        this.#newest = Math.max(this.#newest, entry);
        this.scrollTop = this.#scrollOf(entry);
      }
      this.route = parse(location.hash);
      this.isQuiet = this.#isQuietNext;
      this.#isQuietNext = false;
      this.navigation++;
    };
    const scrolled = (): void => this.#entries.set(this.#entry, "scroll", Math.round(scrollY));
    const write = (): void => this.#entries.write();
    addEventListener("hashchange", changed);
    addEventListener("scroll", scrolled, { passive: true });
    addEventListener("pagehide", write);
    return () => {
      removeEventListener("hashchange", changed);
      removeEventListener("scroll", scrolled);
      removeEventListener("pagehide", write);
    };
  }
  #scrollOf(entry: number): number {
    return Number(this.#entries.get(entry)["scroll"] ?? 0);
  }
  #openEntry(from: number): void {
    this.#entry = ++this.#newest;
    this.#entries.delete(this.#entry);
    this.#entries.set(this.#entry, "from", from);
    this.#entries.set(from, "page", this.route.name);
    this.scrollTop = 0;
  }

  /** Returns a value of the current history entry. It survives a reload of the page. */
  recall<Value>(key: string): Value | undefined {
    return this.#entries.get(this.#entry)[key] as Value | undefined;
  }
  /** Stores a value, which must be JSON, in the current history entry. */
  remember(key: string, value: unknown): void {
    this.#entries.set(this.#entry, key, value);
  }

  go(route: Route): void {
    location.hash = href(route);
  }
  /** Changes the address of the page without adding a history entry. */
  replace(route: Route): void {
    this.#numberEntry(href(route));
    this.route = route;
  }
  /** Changes the address of the page and adds a history entry. The page stays; the focus is not moved. */
  push(route: Route): void {
    this.#openEntry(this.#entry);
    try {
      history.pushState({ entry: this.#entry }, "", href(route));
    } catch {
      // See `#numberEntry`.
    }
    this.route = route;
  }
  /** Numbers the history entry. WebKit throws after 100 calls in ten seconds; navigation must not fail then. */
  #numberEntry(address?: string): void {
    try {
      history.replaceState({ entry: this.#entry }, "", address);
    } catch {
      // An entry without a number counts as a new entry when the user returns to it.
    }
  }
  /** Goes back in the history, or to `fallback` if the app was opened on this page. */
  back(fallback: Route): void {
    if (this.#entry > 0) history.back();
    else this.go(fallback);
  }
  /** Goes back to the entry from which `push` opened this one. The focus is not moved. */
  backQuietly(): void {
    this.#isQuietNext = true;
    history.back();
  }
  /**
   * Goes to a page above this one: back to it if it is the previous history entry, so that its scroll position and
   * selections are restored, else to a new one.
   */
  up(route: Route): void {
    const from = this.recall<number>("from");
    if (from !== undefined && this.#entries.get(from)["page"] === route.name) history.back();
    else this.go(route);
  }
}

export const router = new Router();
