//! Navigation to a page: window title, focus on the heading, scroll position.
import { router, type Route } from "./router.svelte";

let focusedRoute: Route | undefined;

/** Restores a scroll position. Long lists need some frames until it exists; the first input stops the attempts. */
function restoreScroll(top: number): void {
  scrollTo(0, top);
  if (top === 0) return;
  let frames = 60;
  const stop = (): void => void (frames = 0);
  for (const event of ["wheel", "touchstart", "keydown", "pointerdown"])
    addEventListener(event, stop, { once: true, passive: true });
  const again = (): void => {
    if (frames-- <= 0 || Math.abs(scrollY - top) < 2) return;
    scrollTo(0, top);
    requestAnimationFrame(again);
  };
  requestAnimationFrame(again);
}

/** For the h1 of a screen. Restores the scroll position and moves the focus once per route; at start, no focus. */
export function focusHeading(title: string, scroll: "restore" | "keep" = "restore"): (heading: HTMLElement) => void {
  return (heading) => {
    document.title = `${title} · Carrel`;
    if (focusedRoute === router.route) return;
    const first = focusedRoute === undefined;
    focusedRoute = router.route;
    if (scroll === "restore") restoreScroll(router.scrollTop);
    if (!first) heading.focus({ preventScroll: true });
  };
}
