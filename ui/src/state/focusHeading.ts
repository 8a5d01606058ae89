//! Navigation to a page: window title, focus on the heading, scroll position.
import { router, type Route } from "./router.svelte";

let arrivedAt: Route | undefined;

/** Restores a scroll position. Long lists need some frames until it exists; the first input stops the attempts. */
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

/** For the h1 of a screen. Restores the scroll position and moves the focus once per route; at start, no focus. */
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
