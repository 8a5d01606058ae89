//! The Diagnostics screen.
import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import Announcements from "../src/app/Announcements.svelte";
import Diagnostics from "../src/features/diagnostics/Diagnostics.svelte";
import { reportText } from "../src/features/diagnostics/values";
import { diagnosticsReport } from "../src/platform/fixture/diagnostics";
import { announcer } from "../src/state/announce.svelte";
import { appState } from "../src/state/appState.svelte";
import { allByRole, byRole, click, fail, rendered, scriptPlatform, show, text } from "./support";

const platform = scriptPlatform();
let close: (() => void)[] = [];
async function open() {
  const screen = show(Diagnostics, {});
  const messages = show(Announcements, {});
  close = [screen.close, messages.close];
  await rendered();
  return { target: screen.target, message: () => text(byRole(messages.target, "status")) };
}
beforeAll(() => appState.load());
beforeEach(() => {
  platform.replies = {};
  platform.calls = [];
  announcer.clear();
});
afterEach(() => {
  close.forEach((c) => c());
  vi.unstubAllGlobals();
});

it("shows each metric with its state as a word", async () => {
  const { target } = await open();
  const rows = allByRole(target, "row").map((row) => text(row));
  expect(rows.find((r) => r.startsWith("Open a course"))).toContain("Slow");
  expect(rows.find((r) => r.startsWith("Reaction to input"))).toContain("Not supported by this system");
  expect(rows.find((r) => r.startsWith("Memory of the app"))).toContain("Good");
  const course = rows.find((r) => r.startsWith("Open a course"));
  expect(course).toContain("2,400 ms");
  expect(course).toContain("≤ 2,000 ms");
  expect(course).toContain("≤ 5,000 ms");
});

it("shows an action with its spans", async () => {
  const { target } = await open();
  const actions = text(byRole(target, "region", "Recent actions"));
  expect(actions).toContain("get_course");
  expect(actions).toContain("http get");
  expect(actions).toContain("until the reply 2,410 ms");
});

it("dismisses an alert", async () => {
  const { target } = await open();
  const alerts = byRole(target, "region", "Alerts");
  expect(text(alerts)).toContain("Open a course: 2,400 ms, limit ≤ 2,000 ms");
  await click(byRole(alerts, "button", "Dismiss the alert “Open a course”"));
  expect(platform.requests("dismiss_alert")).toEqual([{ alert: "course.load:warning" }]);
  expect(text(byRole(target, "region", "Alerts"))).toContain("No alerts in the last hour.");
});

it("runs the checks on request and lists problems first", async () => {
  const { target } = await open();
  expect(platform.requests("run_doctor")).toEqual([]);
  await click(byRole(target, "button", "Check now"));
  const checks = byRole(target, "region", "Checks");
  const items = allByRole(checks, "listitem").map((item) => text(item));
  expect(items[0]).toContain("Problem");
  expect(items[0]).toContain("the certificate has expired. → check the date and time of this device");
  expect(items[1]).toContain("OK");
});

it("saves a support bundle, copies the report and deletes crash reports", async () => {
  const written: string[] = [];
  vi.stubGlobal("navigator", {
    ...navigator,
    languages: ["en"],
    clipboard: { writeText: (t: string) => (written.push(t), Promise.resolve()) },
  });
  const { target, message } = await open();
  await click(byRole(target, "button", "Save a support bundle"));
  expect(message()).toContain("carrel-support-1.zip");
  await click(byRole(target, "button", "Copy the report"));
  expect(written[0]).toContain("course.load [ms] warning n=3");
  await click(byRole(target, "button", "Delete the crash reports"));
  expect(allByRole(target, "region", "Crash reports")).toEqual([]);
});

it("shows why the report cannot be loaded", async () => {
  platform.replies = { diagnostics_report: () => fail("unavailable") };
  const { target } = await open();
  expect(allByRole(target, "region", "The last hour")).toEqual([]);
  expect(allByRole(target, "button").length).toBeGreaterThan(0);
});

it("writes unsupported metrics into the copied text", () => {
  expect(reportText("0.1.0", diagnosticsReport(true).metrics)).toContain("vitals.inp [ms] unsupported");
});
