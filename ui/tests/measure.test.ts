//! Measurements of the page: ids of calls, reports to the core, observers that the web view lacks.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { UiMeasurements } from "../src/api/types";
import { call } from "../src/platform/call";
import { measure, sendMeasurements, startReporting } from "../src/platform/measure";
import { useTransport } from "../src/platform/transport";
import { observeVitals } from "../src/state/vitals";

interface Call {
  name: string;
  request: unknown;
  action: string;
}
let calls: Call[] = [];
const reports = (): UiMeasurements[] =>
  calls.filter((c) => c.name === "report_metrics").map((c) => c.request as UiMeasurements);

beforeEach(() => {
  calls = [];
  vi.useFakeTimers();
  useTransport({
    call: (name, request, action = "") => {
      calls.push({ name, request, action });
      return name === "broken" ? Promise.reject(new Error("broken")) : Promise.resolve({});
    },
    listen: () => ({ ready: Promise.resolve(), stop: () => undefined }),
  });
});
afterEach(async () => {
  await sendMeasurements();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("nothing is recorded before reporting starts", async () => {
  await call("get_course", {});
  measure("vitals.lcp", 1, "start");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(reports()).toEqual([]);
});

test("each call has its own id, and its time is reported once, also if it fails", async () => {
  startReporting();
  await call("get_course", {});
  await call("broken", {}).catch(() => undefined);
  await call("diagnostics_report", {});
  const ids = calls.map((c) => c.action);
  expect(new Set(ids).size).toBe(3);
  expect(ids.every((id) => /^[a-z0-9]+-\d+$/.test(id))).toBe(true);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(reports().map((r) => r.actions.map((a) => a.id))).toEqual([[ids[0], ids[1]]]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(reports()).toHaveLength(1);
});

test("a report has a limited size", async () => {
  startReporting();
  for (let n = 0; n < 1_000; n++) measure("vitals.cls", n, "read");
  await sendMeasurements();
  expect(reports()[0]?.samples).toHaveLength(200);
});

test("entry types that the web view lacks are reported as not measurable", async () => {
  startReporting();
  const observed: string[] = [];
  class Observer {
    static supportedEntryTypes = ["paint"];
    constructor(private deliver: (list: { getEntries(): unknown[] }) => void) {}
    observe({ type }: { type: string }): void {
      observed.push(type);
      this.deliver({ getEntries: () => [{ name: "first-contentful-paint", startTime: 140 }] });
    }
  }
  vi.stubGlobal("PerformanceObserver", Observer);
  observeVitals();
  await sendMeasurements();
  expect(observed).toEqual(["paint"]);
  expect(reports()[0]?.samples).toEqual([{ metric: "vitals.fcp", value: 140, context: "start" }]);
  expect(reports()[0]?.unsupported).toEqual(["vitals.lcp", "vitals.cls", "vitals.inp"]);
});
