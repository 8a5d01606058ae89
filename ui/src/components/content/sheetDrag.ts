//! Closes a bottom sheet when it is dragged down by its handle.

/** A sheet closes after this part of its height, or after a short, fast drag. */
const CLOSE_FRACTION = 0.3;
const FLICK_PX = 24;
const FLICK_PX_PER_MS = 0.5;

/** Whether a drag of `distance` pixels in `ms` closes a sheet of this height. Otherwise the sheet moves back. */
export function closesSheet(distance: number, height: number, ms: number): boolean {
  return distance > height * CLOSE_FRACTION || (distance > FLICK_PX && distance / Math.max(1, ms) > FLICK_PX_PER_MS);
}

/** Returns an attachment for the handle of a sheet. The sheet is the parent of the handle. */
export function sheetDrag(close: () => void): (handle: HTMLElement) => () => void {
  return (handle) => {
    const sheet = handle.parentElement!;
    let drag: { id: number; y: number; ms: number } | undefined;
    const distance = (event: PointerEvent): number => Math.max(0, event.clientY - (drag?.y ?? event.clientY));
    const down = (event: PointerEvent): void => {
      if (event.button !== 0) return;
      drag = { id: event.pointerId, y: event.clientY, ms: event.timeStamp };
      handle.setPointerCapture?.(event.pointerId);
      sheet.dataset["dragging"] = "";
    };
    const move = (event: PointerEvent): void => {
      if (event.pointerId === drag?.id) sheet.style.translate = `0 ${distance(event)}px`;
    };
    const end = (event: PointerEvent): void => {
      if (event.pointerId !== drag?.id) return;
      const closes =
        event.type === "pointerup" &&
        closesSheet(distance(event), sheet.getBoundingClientRect().height, event.timeStamp - drag.ms);
      drag = undefined;
      delete sheet.dataset["dragging"];
      if (closes) close();
      else sheet.style.removeProperty("translate");
    };
    const on = { pointerdown: down, pointermove: move, pointerup: end, pointercancel: end };
    const listeners = Object.entries(on) as ["pointerdown", typeof down][];
    for (const [name, run] of listeners) handle.addEventListener(name, run);
    return () => {
      for (const [name, run] of listeners) handle.removeEventListener(name, run);
    };
  };
}
