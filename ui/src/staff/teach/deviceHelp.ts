//! Order of the devices of a class: those that need help come first.
import type { Device, LearnerDevices } from "../types";

const DAY = 24 * 3_600_000;

/** Whether a device has rows that have waited for more than a day. */
export const waitsLong = (device: Device, asOf: number): boolean =>
  (device.report?.oldestWaitingMs ?? Infinity) < asOf - DAY;

/** 0: work was refused; 1: not heard from since `since`, or no device; 2: work waits; 3: a course is missing; 4: well. */
function need(devices: readonly Device[], asOf: number, since: number): number {
  const latest = Math.max(0, ...devices.map((one) => one.lastHeardMs));
  if (devices.some((one) => (one.report?.refused ?? 0) > 0)) return 0;
  if (latest <= since) return 1;
  if (devices.some((one) => waitsLong(one, asOf))) return 2;
  if (devices.some((one) => one.report?.courses.some((course) => course.state !== "current"))) return 3;
  return 4;
}

/** Returns the learners, those whose devices need help first, then those not heard from for longest. */
export function byNeed(learners: readonly LearnerDevices[], asOf: number, since: number): LearnerDevices[] {
  const latest = (one: LearnerDevices): number => Math.max(0, ...one.devices.map((device) => device.lastHeardMs));
  return learners.toSorted(
    (a, b) => need(a.devices, asOf, since) - need(b.devices, asOf, since) || latest(a) - latest(b),
  );
}
