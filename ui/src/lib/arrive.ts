//! Coming to a page: its name in the title bar, the focus on its heading, and the place where it was left.
import { router, type Route } from "./router.svelte";

let arrivedAt: Route | undefined;

/** For the h1 of a screen. Moves focus once for each route, never while the person is somewhere on the page already. */
export function arrive(title: string, place: number | "keep" = -1): (heading: HTMLElement) => void {
  return (heading) => {
    document.title = `${title} · Carrel`;
    if (arrivedAt === router.route) return;
    const first = arrivedAt === undefined;
    arrivedAt = router.route;
    if (place !== "keep") scrollTo(0, router.place);
    if (!first) heading.focus({ preventScroll: true });
  };
}
