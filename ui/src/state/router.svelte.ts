//! Addresses of the app, after `#`. A route is data; the shell turns it into a screen.
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
  | { name: "lost" };

const slug = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;

export function parse(hash: string): Route {
  const [head = "", ...rest] = hash.replace(/^#?\/?/, "").split("/");
  const path = rest.filter((part) => part !== "");
  const item = path.join("/");
  const good = path.every((part) => slug.test(part));
  if (head === "" && path.length === 0) return { name: "library" };
  if (head === "course" && good && path.length === 1) return { name: "course", course: item };
  if (head === "read" && good && path.length === 3) return { name: "read", item };
  if (head === "story" && good && (path.length === 1 || path.length === 2)) return { name: "story", item };
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
  return { name: "lost" };
}

export function href(route: Route): string {
  switch (route.name) {
    case "library":
    case "lost":
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

/** Where an item (section, story, story in a course) is read. */
export function itemHref(item: string, isStory: boolean): string {
  return href({ name: isStory ? "story" : "read", item });
}

class Router {
  route = $state.raw<Route>(parse(typeof location === "undefined" ? "" : location.hash));
  /** Where each entry of the history was scrolled to. */
  #places = new Map<number, number>();
  #entry = 0;
  #newest = 0;
  /** Where the page that is about to appear should be scrolled to. */
  place = 0;

  start(): () => void {
    history.scrollRestoration = "manual";
    this.#entry = this.#newest = Number((history.state as { entry?: number } | null)?.entry ?? 0);
    this.#number();
    const changed = (): void => {
      const entry = (history.state as { entry?: number } | null)?.entry;
      if (entry === undefined) {
        this.#entry = ++this.#newest;
        this.#number();
        this.place = 0;
      } else {
        this.#entry = entry;
        this.place = this.#places.get(entry) ?? 0;
      }
      this.route = parse(location.hash);
    };
    const scrolled = (): void => void this.#places.set(this.#entry, scrollY);
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
  /** Goes there without leaving an entry behind. */
  replace(route: Route): void {
    this.#number(href(route));
    this.route = route;
  }
  /** Gives the entry its number. WebKit refuses the hundred and first within seconds (a key that is held down): the page is shown all the same. */
  #number(address?: string): void {
    try {
      history.replaceState({ entry: this.#entry }, "", address);
    } catch {
      // Coming back to this entry counts as coming to a new one.
    }
  }
  /** Back to where the person came from, or to `otherwise` if the app was opened here. */
  back(otherwise: Route): void {
    if (this.#entry > 0) history.back();
    else this.go(otherwise);
  }
}

export const router = new Router();
