//! Which area a role may open. Each role includes the rights of the previous one; the server checks every request.
import type { Role } from "../api/types";

const order: Role[] = ["student", "instructor", "administrator"];

export function hasRole(role: Role | undefined, needed: Role): boolean {
  return role !== undefined && order.indexOf(role) >= order.indexOf(needed);
}
