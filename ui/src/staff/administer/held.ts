//! Removals that the server holds until their number is approved (docs/ROSTERS.md).
import type { RosterReport } from "../types";

type Held = NonNullable<RosterReport["held"]>[number];

/** The names of held removals in a report, and the parameter that approves each. */
const parameters: Record<string, string> = {
  "people who are suspended or left": "approve",
  "people who are absent": "approve",
  "memberships that end": "approveMemberships",
  "memberships that are absent": "approveMemberships",
  "classes that are archived": "approveClasses",
  "people with another login and name": "approveReplacements",
};

/** Whether an approval makes the server apply it. One that is held because rows cannot be read is never applied. */
export function canApprove(held: Held): boolean {
  return held.count !== undefined && held.what in parameters;
}

/** Returns the parameters that approve the chosen removals. */
export function approvals(held: readonly Held[], chosen: readonly string[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const one of held) {
    const name = parameters[one.what];
    if (!name || one.count === undefined || !chosen.includes(one.what)) continue;
    found[name] = Math.max(found[name] ?? 0, one.count);
  }
  return found;
}
