//! Reads the sign-in sheet that the server writes as a page for print. The cards are drawn again by a component,
//! because a page of the server has styles that the policy of this page forbids.

export interface SheetCard {
  name: string;
  login: string;
  code: string;
  /** The QR code: its viewBox, and the path of its dark squares. */
  box: string;
  path: string;
}
export interface Sheet {
  title: string;
  instruction: string;
  address: string;
  loginLabel: string;
  codeLabel: string;
  cards: SheetCard[];
}

const text = (element: Element | null | undefined): string => (element?.textContent ?? "").trim();
const label = (element: Element | null | undefined): string => text(element).split(":")[0]!.trim();

export function readSheet(html: string): Sheet {
  // The policy also forbids the style of a page that is only parsed.
  const page = new DOMParser().parseFromString(html.replace(/<style[^]*?<\/style>/g, ""), "text/html");
  const paragraphs = [...page.querySelectorAll("body > p")];
  const sections = [...page.querySelectorAll("section")];
  const lines = sections[0]?.querySelectorAll("p");
  return {
    title: text(page.querySelector("h1")),
    instruction: text(paragraphs[0]),
    address: text(paragraphs[1]),
    loginLabel: label(lines?.[0]),
    codeLabel: label(lines?.[1]),
    cards: sections.map((section) => {
      const svg = section.querySelector("svg");
      return {
        name: text(section.querySelector("h2")),
        login: text(section.querySelector("bdi")),
        code: text(section.querySelector("code")),
        box:
          svg?.getAttribute("viewBox") ?? `0 0 ${svg?.getAttribute("width") ?? 0} ${svg?.getAttribute("height") ?? 0}`,
        path: [...(svg?.querySelectorAll("path") ?? [])].map((part) => part.getAttribute("d") ?? "").join(""),
      };
    }),
  };
}
