//! Addresses of the pages for staff, below `#/teach` and `#/administer`.

export type TeachPage =
  | { name: "classes" }
  | { name: "class"; id: string; tab: "learners" | "devices" }
  | { name: "courses" }
  | { name: "course"; id: string }
  | { name: "unknown" };
export type AdministerPage = { name: "people" | "import" | "mail" | "audit" | "health" | "unknown" };

export function teachPage(path: string): TeachPage {
  const [head = "", id = "", tab = "", ...rest] = path.split("/");
  if (rest.length > 0) return { name: "unknown" };
  if (path === "") return { name: "classes" };
  if (path === "courses") return { name: "courses" };
  if (head === "course" && id && !tab) return { name: "course", id };
  if (head === "class" && id && (tab === "" || tab === "devices"))
    return { name: "class", id, tab: tab === "devices" ? "devices" : "learners" };
  return { name: "unknown" };
}
export function administerPage(path: string): AdministerPage {
  if (path === "") return { name: "people" };
  const names = ["import", "mail", "audit", "health"] as const;
  return { name: names.find((name) => name === path) ?? "unknown" };
}
export const teachHref = (path = ""): string => (path ? `#/teach/${path}` : "#/teach");
export const administerHref = (path = ""): string => (path ? `#/administer/${path}` : "#/administer");
