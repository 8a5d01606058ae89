//! The tabs of the two areas. Administrators get a way from each to the other, because a narrow navigation bar has one
//! entry for both.
import { hasRole } from "../state/roles";
import { staffApi } from "./api";
import { s } from "./messages.svelte";
import { administerHref, teachHref, type AdministerPage } from "./paths";

export interface Tab {
  href: string;
  label: string;
  isCurrent: boolean;
}

export function teachTabs(current: "classes" | "courses" | ""): Tab[] {
  const tabs = [
    { href: teachHref(), label: s("tab.classes"), isCurrent: current === "classes" },
    { href: teachHref("courses"), label: s("tab.courses"), isCurrent: current === "courses" },
  ];
  const other = { href: administerHref(), label: s("tab.administer"), isCurrent: false };
  return hasRole(staffApi().user.role, "administrator") ? [...tabs, other] : tabs;
}

export function administerTabs(current: AdministerPage["name"]): Tab[] {
  const names = ["people", "import", "mail", "audit", "health"] as const;
  const tabs = names.map((name) => ({
    href: administerHref(name === "people" ? "" : name),
    label: s(`tab.${name}`),
    isCurrent: name === current,
  }));
  return [...tabs, { href: teachHref(), label: s("tab.teach"), isCurrent: false }];
}
