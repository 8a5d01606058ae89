//! HTML from content: cleaned once more (it was cleaned at import), and its own kinds of link made ready.
import DOMPurify from "dompurify";
import { href } from "./router.svelte";

const cleaner = DOMPurify(window);

/** A fragment without scripts, styles, forms or handlers. MathML stays. Links get a target: `course` is where `data-section` leads. */
export function clean(html: string, course: string): DocumentFragment {
  const fragment = cleaner.sanitize(html, {
    USE_PROFILES: { html: true, mathMl: true },
    FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "iframe", "object", "embed", "img", "audio", "video", "picture", "source"],
    FORBID_ATTR: ["style", "class", "id", "name", "target"],
    ALLOW_DATA_ATTR: false,
    ADD_ATTR: ["data-word", "data-section", "data-blank"],
    // Judges every attribute, not only addresses: a scheme must be http(s); plain words and numbers pass. Addresses are judged again below.
    ALLOWED_URI_REGEXP: /^(?:https?:|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const link of fragment.querySelectorAll<HTMLElement>("a")) {
    const section = link.dataset["section"];
    if (link.dataset["word"]) {
      link.removeAttribute("href");
      link.setAttribute("role", "button");
      link.tabIndex = 0;
    } else if (section) {
      link.setAttribute("href", href({ name: "read", item: `${course}/${section}` }));
    } else if (!/^https?:\/\//i.test(link.getAttribute("href") ?? "")) {
      link.removeAttribute("href");
    } else {
      link.setAttribute("rel", "noopener noreferrer");
      link.dataset["external"] = "";
    }
  }
  for (const table of fragment.querySelectorAll("table")) {
    // A wide table scrolls by itself, not the page.
    const wrap = document.createElement("div");
    wrap.dataset["scroll"] = "";
    wrap.tabIndex = 0;
    table.replaceWith(wrap);
    wrap.append(table);
  }
  return fragment;
}
