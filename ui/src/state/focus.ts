//! Keeps the keyboard focus when the focused control is removed, hidden or disabled. Without it the focus falls to the
//! body, so that a screen reader is silent and the next Tab starts at the top of the page.

const CONTROLS = "a[href], button, input, select, textarea, summary, [tabindex]";

/** The element that had the focus last, with its ancestors at that time, and whether it was disabled meanwhile. */
let last: { element: HTMLElement; ancestors: HTMLElement[]; wasDisabled: boolean } | undefined;
/** Elements focused before it, newest first, for a dialog or sheet that is closed. */
let earlier: HTMLElement[] = [];
const MAX_EARLIER = 8;

/** Returns the element that has the focus, or had it before the engine moved it to the body. */
export function lastFocused(): HTMLElement | null {
  const active = document.activeElement;
  if (active instanceof HTMLElement && active !== document.body) return active;
  return last?.element ?? null;
}

function ancestorsOf(element: HTMLElement): HTMLElement[] {
  const found: HTMLElement[] = [];
  for (let at = element.parentElement; at; at = at.parentElement) found.push(at);
  return found;
}
function canFocus(element: HTMLElement): boolean {
  return (
    element.isConnected &&
    !element.matches(":disabled, [hidden], input[type=hidden]") &&
    !element.closest("[inert], [hidden]") &&
    (element.checkVisibility?.() ?? true)
  );
}
/** Focuses an element. Returns false if the engine refused. */
function focus(element: HTMLElement): boolean {
  if (!canFocus(element)) return false;
  element.focus({ preventScroll: true });
  return document.activeElement === element;
}
/** Focuses the first control of a group that is marked as the next one, else its first control. */
function focusIn(group: HTMLElement): boolean {
  return ["[data-focus-next]", CONTROLS].some((selector) =>
    [...group.querySelectorAll<HTMLElement>(selector)].some(focus),
  );
}
/** Focuses the heading of the page, or its main element. */
export function focusPage(): boolean {
  const main = document.querySelector<HTMLElement>("main");
  const heading = main?.querySelector<HTMLElement>("h1");
  return [heading, main].some((element) => {
    if (element && !element.hasAttribute("tabindex")) element.tabIndex = -1;
    return element ? focus(element) : false;
  });
}

/** Focuses what takes the place of a control that cannot have the focus any more. */
function recover(root: HTMLElement): void {
  if (!last) return;
  const { element, ancestors } = last;
  if (element.matches(":disabled")) last.wasDisabled = true;
  if (document.activeElement && document.activeElement !== document.body) return;
  if (element.isConnected) {
    // A disabled control gets the focus back when it is enabled. Without a reason to lose it, the learner has left it.
    if (last.wasDisabled && focus(element)) last.wasDisabled = false;
    if (!element.closest("[hidden]")) return;
  }
  const closed = ancestors.find((a) => a.matches("dialog, [role=dialog], [popover]") && !a.isConnected);
  const isOutside = !ancestors.some((a) => a.matches("main"));
  if ((closed || isOutside) && earlier.some((e) => !closed?.contains(e) && focus(e))) return;
  const groups = ancestors.filter((a) => a.isConnected && root.contains(a) && !a.matches("main, body, html"));
  if (!isOutside && groups.some(focusIn)) return;
  focusPage();
}

/** An attachment: while `root` is shown, its focus is not lost when the focused control is removed or disabled. */
export function keepFocus(root: HTMLElement): () => void {
  const focused = (event: FocusEvent): void => {
    const element = event.target;
    if (!(element instanceof HTMLElement)) return;
    if (last && last.element !== element) {
      const before = last.element;
      earlier = [before, ...earlier.filter((e) => e !== before)].slice(0, MAX_EARLIER);
    }
    last = { element, ancestors: ancestorsOf(element), wasDisabled: false };
  };
  const blurred = (event: FocusEvent): void => {
    if (event.relatedTarget instanceof Element) return;
    const element = event.target;
    // Some engines report a blur when they remove the control. Only afterwards is it known whether the learner left it.
    queueMicrotask(() => {
      if (last?.element === element && canFocus(last.element) && document.activeElement === document.body)
        last = undefined;
    });
  };
  const observer = new MutationObserver(() => recover(root));
  root.addEventListener("focusin", focused);
  root.addEventListener("focusout", blurred);
  observer.observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled", "hidden"] });
  return () => {
    observer.disconnect();
    root.removeEventListener("focusin", focused);
    root.removeEventListener("focusout", blurred);
  };
}
