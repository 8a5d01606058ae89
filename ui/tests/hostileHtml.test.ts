import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { clean } from "../src/components/content/sanitise";

const vectors = JSON.parse(readFileSync("../tests/faults/hostile-html.json", "utf8")) as [string, string][];
const page = window as unknown as { ESCAPED?: unknown };
const EVENTS = ["click", "mouseover", "pointerenter", "focus", "load", "error", "toggle", "animationstart", "cancel"];
const FORBIDDEN =
  "script, style, link, meta, base, iframe, frame, object, embed, form, button, textarea, select, img, picture, source, " +
  "audio, video, svg, map, area, template, dialog, title, noscript, annotation-xml, maction, [style], [src], [srcdoc], " +
  "[srcset], [action], [formaction], [autofocus], [name], [is], [popover], [id]";
const ADDRESS = /^(https?:\/\/|mailto:|#\/read\/course\/)/i;

/** What may not be in the page: elements, handlers, addresses. */
function violations(root: ParentNode): string[] {
  const found = [...root.querySelectorAll(FORBIDDEN)].map((element) => element.localName);
  for (const element of root.querySelectorAll("*"))
    for (const { name, value } of element.attributes)
      if (/^on/i.test(name) || (/href$/i.test(name) && !ADDRESS.test(value))) found.push(`${name}="${value}"`);
  return found;
}

describe("hostile HTML that reaches the page", () => {
  afterEach(() => {
    delete page.ESCAPED;
    document.body.replaceChildren();
  });

  it("has at least 60 vectors that are hostile as they are", () => {
    const hostile = vectors.filter(([, html]) => {
      const box = document.createElement("div");
      box.innerHTML = html;
      return violations(box).length > 0;
    });
    expect(hostile.length).toBeGreaterThanOrEqual(60);
  });

  it.each(vectors)("%s runs nothing", (_, html) => {
    document.body.append(clean(html, "course"));
    for (const element of document.body.querySelectorAll("*"))
      for (const name of EVENTS) element.dispatchEvent(new Event(name));
    expect(page.ESCAPED).toBeUndefined();
    expect(violations(document.body)).toEqual([]);
  });
});
