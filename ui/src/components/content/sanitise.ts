//! Sanitises HTML from content in addition to the import, limits its depth and size, and prepares its links.
import DOMPurify from "dompurify";
import { t } from "../../i18n/index.svelte";
import { href } from "../../state/router.svelte";

const purifier = DOMPurify(window);

/** Maximum nesting depth. The compiler allows less; layout time of deep MathML grows faster than its depth. */
export const MAX_DEPTH = 100;
/** Maximum number of elements in one text. */
export const MAX_ELEMENTS = 50_000;
/** Maximum length of one text in UTF-16 code units. */
export const MAX_LENGTH = 8_000_000;

const VOID = new Set(["br", "hr", "input", "img", "col", "wbr", "mspace", "mprescripts", "none"]);
const FOOTNOTE = /^(?:fn|fnref)-[0-9-]{1,12}$/;
const FORMULA_CLASS = /^(?:menv-[\w-]+|cell-[\w-]+|tml-prime)$/;

/** Whether a class is written by the compiler and used by a style sheet. */
function keepsClass(element: Element, name: string): boolean {
  if (element.namespaceURI === "http://www.w3.org/1998/Math/MathML") return FORMULA_CLASS.test(name);
  if (element.localName === "code") return /^language-[\w+#.-]+$/.test(name);
  return (
    (element.localName === "section" && name === "footnotes") ||
    (element.localName === "sup" && name === "footnote-ref")
  );
}

/** Checks the limits in one scan of the text, without creating nodes. */
function isBounded(html: string): boolean {
  if (html.length > MAX_LENGTH) return false;
  let depth = 0;
  let elements = 0;
  for (let at = html.indexOf("<"); at >= 0; at = html.indexOf("<", at + 1)) {
    if (html[at + 1] === "/") {
      depth = Math.max(0, depth - 1);
      continue;
    }
    const name = /^[a-z][\w-]*/i.exec(html.slice(at + 1, at + 33))?.[0].toLowerCase();
    if (!name) continue;
    if (!VOID.has(name)) depth += 1;
    elements += 1;
    if (depth > MAX_DEPTH || elements > MAX_ELEMENTS) return false;
  }
  return true;
}

/** Checks the limits again after parsing, because misnested tags can produce more elements than tags. */
function isBoundedTree(root: DocumentFragment): boolean {
  let elements = 0;
  let depth = 0;
  let node: Node | null = root.firstChild;
  while (node) {
    if (node.nodeType === Node.ELEMENT_NODE && ++elements > MAX_ELEMENTS) return false;
    if (node.firstChild) {
      if (++depth > MAX_DEPTH) return false;
      node = node.firstChild;
      continue;
    }
    while (node && node !== root && !node.nextSibling) {
      node = node.parentNode;
      depth -= 1;
    }
    node = node && node !== root ? node.nextSibling : null;
  }
  return true;
}

/** Returns the text without its tags, to be shown instead of markup that exceeds the limits. */
function plainText(html: string): DocumentFragment {
  const text = html
    .slice(0, MAX_LENGTH)
    .replace(/<[^<>]*>/g, " ")
    .replace(/[<>]/g, " ");
  const fragment = document.createDocumentFragment();
  // Only character references are left to parse.
  fragment.append(
    new DOMParser().parseFromString(text, "text/html").body.textContent?.replace(/\s+/g, " ").trim() ?? "",
  );
  return fragment;
}

/**
 * Returns a fragment without scripts, styles, forms and handlers. Keeps MathML, footnotes and task lists. `course` is
 * the root of `data-section` links. `notes` is the prefix of footnote ids, against conflicts with ids of the page.
 */
export function clean(html: string, course: string, notes = ""): DocumentFragment {
  if (!isBounded(html)) return plainText(html);
  const fragment = purifier.sanitize(html, {
    USE_PROFILES: { html: true, mathMl: true },
    FORBID_TAGS: [
      "style",
      "form",
      "button",
      "textarea",
      "select",
      "iframe",
      "object",
      "embed",
      "img",
      "audio",
      "video",
      "picture",
      "source",
      "map",
      "area",
      "dialog",
      "label",
      "slot",
      "template",
    ],
    FORBID_ATTR: [
      "style",
      "name",
      "target",
      "tabindex",
      "popover",
      "popovertarget",
      "for",
      "form",
      "slot",
      "part",
      "is",
      "contenteditable",
      "autofocus",
      "accesskey",
    ],
    ALLOW_DATA_ATTR: false,
    ADD_ATTR: ["data-word", "data-section", "data-blank"],
    // Applies to every attribute, not only addresses: a scheme must be http(s) or mailto; words and numbers pass.
    // Addresses are checked again below.
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i,
    RETURN_DOM_FRAGMENT: true,
    // Nothing for a document without a body: one of frames.
  }) as DocumentFragment | null;
  if (!fragment || !isBoundedTree(fragment)) return plainText(html);
  for (const element of fragment.querySelectorAll("[class]")) {
    const classes = [...element.classList].filter((name) => keepsClass(element, name));
    if (classes.length > 0) element.setAttribute("class", classes.join(" "));
    else element.removeAttribute("class");
  }
  for (const element of fragment.querySelectorAll("[id]")) {
    if (notes && FOOTNOTE.test(element.id) && ["a", "li"].includes(element.localName)) {
      element.id = `${notes}-${element.id}`;
      // The target of a link inside the page must be focusable.
      if (element.localName === "li") element.setAttribute("tabindex", "-1");
    } else element.removeAttribute("id");
  }
  for (const box of fragment.querySelectorAll("input")) {
    if (box.getAttribute("type")?.toLowerCase() !== "checkbox") {
      box.remove();
      continue;
    }
    // A checkbox of a task list, read-only.
    const isChecked = box.hasAttribute("checked");
    for (const { name } of [...box.attributes]) box.removeAttribute(name);
    box.setAttribute("type", "checkbox");
    box.setAttribute("disabled", "");
    if (isChecked) box.setAttribute("checked", "");
    box.setAttribute("aria-label", t("read.task"));
  }
  for (const link of fragment.querySelectorAll<HTMLElement>("a")) {
    const section = link.dataset["section"];
    const target = link.getAttribute("href") ?? "";
    if (link.dataset["word"]) {
      link.removeAttribute("href");
      link.setAttribute("role", "button");
      link.tabIndex = 0;
    } else if (section) {
      link.setAttribute("href", href({ name: "read", item: `${course}/${section}` }));
    } else if (notes && target.startsWith("#") && FOOTNOTE.test(target.slice(1))) {
      link.setAttribute("href", `#${notes}-${target.slice(1)}`);
      link.dataset["note"] = `${notes}-${target.slice(1)}`;
      const back = target.startsWith("#fnref-");
      link.setAttribute("role", back ? "doc-backlink" : "doc-noteref");
      if (back) link.setAttribute("aria-label", t("read.noteBack"));
    } else if (/^https?:\/\//i.test(target) || /^mailto:[^\s@]+@[^\s@]+$/i.test(target)) {
      link.setAttribute("rel", "noopener noreferrer");
      link.dataset["external"] = "";
    } else {
      link.removeAttribute("href");
    }
  }
  for (const table of fragment.querySelectorAll("table")) {
    // Lets a wide table scroll instead of the page.
    const wrap = document.createElement("div");
    wrap.dataset["scroll"] = "";
    wrap.tabIndex = 0;
    table.replaceWith(wrap);
    wrap.append(table);
  }
  return fragment;
}
