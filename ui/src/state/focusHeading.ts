//! Coming to a page: its name in the title bar, the focus on its heading, and the place where it was left.
import { router, type Route } from "./router.svelte";

let arrivedAt: Route | undefined;

/** Scrolls to where the page was left. Long lists grow for a few frames until the place exists; the first touch of the person ends it. */
function backTo(place: number): void {
  scrollTo(0, place);
  if (place === 0) return;
  let frames = 60;
  const stop = (): void => void (frames = 0);
  for (const sign of ["wheel", "touchstart", "keydown", "pointerdown"])
    addEventListener(sign, stop, { once: true, passive: true });
  const again = (): void => {
    if (frames-- <= 0 || Math.abs(scrollY - place) < 2) return;
    scrollTo(0, place);
    requestAnimationFrame(again);
  };
  requestAnimationFrame(again);
}

/** For the h1 of a screen. Moves focus once for each route, never while the person is somewhere on the page already. */
export function focusHeading(title: string, place: number | "keep" = -1): (heading: HTMLElement) => void {
  return (heading) => {
    document.title = `${title} · Carrel`;
    if (arrivedAt === router.route) return;
    const first = arrivedAt === undefined;
    arrivedAt = router.route;
    if (place !== "keep") backTo(router.place);
    if (!first) heading.focus({ preventScroll: true });
  };
}
