// Checks of the layout of a page, run inside the page by shots.mjs.

/**
 * Returns what is wrong with the layout: a page wider than the window, controls outside of it, controls under `minimum`
 * pixels (links inside a sentence are exempt, as in WCAG 2.2), and siblings with text or controls that overlap.
 */
export function findLayoutFaults(minimum) {
  const describe = (element) => {
    const name = [...element.classList].filter((c) => !c.startsWith("svelte-")).join(".");
    const text = (element.getAttribute("aria-label") ?? element.textContent ?? "").replace(/\s+/g, " ").trim();
    return `${element.localName}${name ? `.${name}` : ""} "${text.slice(0, 40)}"`;
  };
  const isShown = (element) => {
    const box = element.getBoundingClientRect();
    return (
      box.width > 1 &&
      box.height > 1 &&
      element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
      !element.closest(".visually-hidden, .skip, [inert], [aria-hidden=true]")
    );
  };
  const faults = [];
  const overflow = document.documentElement.scrollWidth - innerWidth;
  if (overflow > 0) faults.push({ kind: "overflow", text: `the page is ${overflow} px wider than the window` });

  const controls = "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [data-word]";
  for (const control of document.querySelectorAll(controls)) {
    if (!isShown(control) || control.disabled) continue;
    const place = control.getBoundingClientRect();
    const scrolls = (e) => e && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
    if ((place.left < -1 || place.right > innerWidth + 1) && !scrolls(control.parentElement))
      faults.push({ kind: "outside", text: `${describe(control)} is at ${~~place.left} to ${~~place.right} px` });
    const style = getComputedStyle(control);
    const isInText =
      style.display.startsWith("inline") &&
      [...control.parentElement.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim() !== "");
    if (isInText) continue;
    const label = control.matches("input") ? control.closest("label") : null;
    const box = (label ?? control).getBoundingClientRect();
    if (Math.round(box.width) < minimum || Math.round(box.height) < minimum)
      faults.push({
        kind: "target",
        text: `${describe(label ?? control)} is ${Math.round(box.width)} x ${Math.round(box.height)}, under ${minimum}`,
      });
  }

  const isPlaced = (element) => {
    const style = getComputedStyle(element);
    return (
      isShown(element) &&
      (style.position === "static" || style.position === "relative") &&
      style.float === "none" &&
      !style.display.startsWith("inline") &&
      style.display !== "contents" &&
      (element.textContent.trim() !== "" || element.matches(controls))
    );
  };
  for (const parent of document.body.querySelectorAll(":not(svg, svg *, math, math *)")) {
    // The boxes of rotated elements are larger than the elements.
    if (parent.children.length < 2 || getComputedStyle(parent).rotate !== "none") continue;
    const placed = [...parent.children].filter(isPlaced).map((e) => [e, e.getBoundingClientRect()]);
    for (const [i, [a, one]] of placed.entries())
      for (const [b, other] of placed.slice(i + 1)) {
        const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
        const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
        if (across > 2 && down > 2)
          faults.push({ kind: "overlap", text: `${describe(a)} and ${describe(b)}, ${~~across} x ${~~down} px` });
      }
  }
  return faults;
}
