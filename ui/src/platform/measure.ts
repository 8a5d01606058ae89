//! Measures what only the page can measure: the time of each call, slow frames, web vitals. Sends it to the core in
//! batches. Does not evaluate it (crates/diagnostics).
import type { UiMeasurements } from "../api/types";
import { transport } from "./transport";

/** Time between two reports. A report is sent only if something was measured. */
const REPORT_MS = 5_000;
/** Maximum number of entries of one report; later ones are dropped. */
const MAX_ENTRIES = 200;
/** The commands of the diagnostics themselves. */
const UNMEASURED = new Set(["report_metrics", "diagnostics_report", "dismiss_alert"]);

const empty = (): UiMeasurements => ({ samples: [], unsupported: [], actions: [] });
let pending = empty();
let timer: ReturnType<typeof setTimeout> | undefined;
let isReporting = false;

// Calls of an earlier page of the same run have other ids.
const page = Math.floor(performance.timeOrigin).toString(36);
let calls = 0;

/** Returns an id for the next call, unique in this run of the app. */
export function nextAction(): string {
  return `${page}-${++calls}`;
}

/** Records the time of a call, from the call to its reply. */
export function measureAction(command: string, action: string, ms: number): void {
  if (!isReporting || UNMEASURED.has(command) || pending.actions.length >= MAX_ENTRIES) return;
  pending.actions.push({ id: action, ms });
  schedule();
}

/** Records a value of a metric of the UI. */
export function measure(metric: string, value: number, context: string): void {
  if (!isReporting || pending.samples.length >= MAX_ENTRIES) return;
  pending.samples.push({ metric, value, context });
  schedule();
}

/** Reports that this web view cannot measure a metric. */
export function cannotMeasure(metric: string): void {
  if (!isReporting) return;
  pending.unsupported.push(metric);
  schedule();
}

/** Starts to send reports. Before, and in tests of single components, nothing is recorded. */
export function startReporting(): void {
  isReporting = true;
}

function schedule(): void {
  timer ??= setTimeout(() => void sendMeasurements(), REPORT_MS);
}

/** Sends what was measured since the last report. A report that fails is dropped: it must not disturb anything. */
export async function sendMeasurements(): Promise<void> {
  clearTimeout(timer);
  timer = undefined;
  const report = pending;
  if (report.samples.length + report.unsupported.length + report.actions.length === 0) return;
  pending = empty();
  await (await transport()).call("report_metrics", report).catch(() => undefined);
}
