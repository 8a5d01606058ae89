//! Routes of the app, stored after `#` in the address. The shell selects the screen of a route.
export type Route =
  | { name: "library" }
  | { name: "course"; course: string }
  | { name: "read"; item: string }
  | { name: "story"; item: string }
  | { name: "review" }
  | { name: "progress" }
  | { name: "sync" }
  | { name: "settings" }
  | { name: "storage" }
  | { name: "welcome" }
  | { name: "notFound" };

const slug = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;

export function parse(hash: string): Route {
  const [head = "", ...rest] = hash.replace(/^#?\/?/, "").split("/");
  const path = rest.filter((part) => part !== "");
  const item = path.join("/");
  const isValid = path.every((part) => slug.test(part));
  if (head === "" && path.length === 0) return { name: "library" };
  if (head === "course" && isValid && path.length === 1) return { name: "course", course: item };
  if (head === "read" && isValid && path.length === 3) return { name: "read", item };
  if (head === "story" && isValid && (path.length === 1 || path.length === 2)) return { name: "story", item };
  if (
    (head === "review" ||
      head === "progress" ||
      head === "sync" ||
      head === "settings" ||
      head === "storage" ||
      head === "welcome") &&
    path.length === 0
  )
    return { name: head };
  return { name: "notFound" };
}

export function href(route: Route): string {
  switch (route.name) {
    case "library":
    case "notFound":
      return "#/";
    case "course":
      return `#/course/${route.course}`;
    case "read":
    case "story":
      return `#/${route.name}/${route.item}`;
    default:
      return `#/${route.name}`;
  }
}

/** Returns the address of a section or story. */
export function itemHref(item: string, isStory: boolean): string {
  return href({ name: isStory ? "story" : "read", item });
}

class Router {
  route = $state.raw<Route>(parse(typeof location === "undefined" ? "" : location.hash));
  /** The scroll position of each history entry. */
  #scrollPositions = new Map<number, number>();
  #entry = 0;
  #newest = 0;
  /** The scroll position to restore on the next page. */
  scrollTop = 0;

  start(): () => void {
    history.scrollRestoration = "manual";
    this.#entry = this.#newest = Number((history.state as { entry?: number } | null)?.entry ?? 0);
    this.#numberEntry();
    const changed = (): void => {
      const entry = (history.state as { entry?: number } | null)?.entry;
      if (entry === undefined) {
        this.#entry = ++this.#newest;
        this.#numberEntry();
        this.scrollTop = 0;
      } else {
        this.#entry = entry;
        this.scrollTop = this.#scrollPositions.get(entry) ?? 0;
      }
      this.route = parse(location.hash);
    };
    const scrolled = (): void => void this.#scrollPositions.set(this.#entry, scrollY);
    addEventListener("hashchange", changed);
    addEventListener("scroll", scrolled, { passive: true });
    return () => {
      removeEventListener("hashchange", changed);
      removeEventListener("scroll", scrolled);
    };
  }

  go(route: Route): void {
    location.hash = href(route);
  }
  /** Changes the route without adding a history entry. */
  replace(route: Route): void {
    this.#numberEntry(href(route));
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
}

export const router = new Router();
