//! Turns pages by horizontal swipes. Ignores swipes on elements that use horizontal movement themselves.
import type { Dir } from "../../api/types";

/** `dir`: direction in which the pages follow each other; by default that of the user interface. */
export function swipe(turn: {
  next: () => void;
  previous: () => void;
  dir?: Dir;
}): (element: HTMLElement) => () => void {
  return (element) => {
    let x = 0;
    let y = 0;
    let id: number | undefined;
    const down = (event: PointerEvent): void => {
      const target = event.target as Element;
      id =
        event.pointerType === "touch" &&
        !target.closest("[data-scroll], input, textarea, .scroll, .formula, [data-drag], dialog, [popover]")
          ? event.pointerId
          : undefined;
      x = event.clientX;
      y = event.clientY;
    };
    const up = (event: PointerEvent): void => {
      if (event.pointerId !== id) return;
      id = undefined;
      const dx = event.clientX - x;
      const dy = event.clientY - y;
      if (Math.abs(dx) < 64 || Math.abs(dx) < 2 * Math.abs(dy)) return;
      const forward = (turn.dir ?? document.dir) === "rtl" ? dx > 0 : dx < 0;
      if (forward) turn.next();
      else turn.previous();
    };
    element.style.touchAction = "pan-y pinch-zoom";
    element.addEventListener("pointerdown", down);
    element.addEventListener("pointerup", up);
    return () => {
      element.removeEventListener("pointerdown", down);
      element.removeEventListener("pointerup", up);
    };
  };
}
