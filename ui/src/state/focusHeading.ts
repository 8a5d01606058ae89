//! Sets the window title, the focus and the scroll position after navigation to a page.
import { router } from "./router.svelte";

let focused: number | undefined;

/** Restores a scroll position. Retries for up to 60 frames, until long lists are rendered; stops at the first input. */
function restoreScroll(top: number): void {
  scrollTo(0, top);
  if (top === 0) return;
  let frames = 60;
  const stop = (): void => void (frames = 0);
  for (const event of ["wheel", "touchstart", "keydown", "pointerdown"])
    addEventListener(event, stop, { once: true, passive: true });
  const retry = (): void => {
    if (frames-- <= 0 || Math.abs(scrollY - top) < 2) return;
    scrollTo(0, top);
    requestAnimationFrame(retry);
  };
  requestAnimationFrame(retry);
}

/**
 * Returns an attachment for the h1 of a screen. It sets the window title and, once per navigation, restores the scroll
 * position and focuses the heading (not at start, and not after `router.backQuietly`).
 */
export function focusHeading(title: string, scroll: "restore" | "keep" = "restore"): (heading: HTMLElement) => void {
  return (heading) => {
    document.title = `${title} · Carrel`;
    if (focused === router.navigation) return;
    const first = focused === undefined;
    focused = router.navigation;
    if (scroll === "restore") restoreScroll(router.scrollTop);
    if (!first && !router.isQuiet) heading.focus({ preventScroll: true });
  };
}
