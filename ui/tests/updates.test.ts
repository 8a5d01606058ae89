import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import Announcements from "../src/app/Announcements.svelte";
import type { UpdatePhaseView, UpdateProblemKind, UpdateView } from "../src/api/types";
import UpdateSettings from "../src/features/settings/UpdateSettings.svelte";
import en from "../src/i18n/en.json";
import { setLanguage } from "../src/i18n/index.svelte";
import { updateView } from "../src/platform/fixture/updates";
import { announcer } from "../src/state/announce.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { byRole, click, fail, rendered, scriptPlatform, show, text } from "./support";

const platform = scriptPlatform();
const release = { version: "1.2.0", notes: "- Faster.", size: 25_000_000 };
let close: (() => void)[] = [];
let view: UpdateView;

async function open(change: Partial<UpdateView>): Promise<Element> {
  view = updateView(change);
  const screen = show(UpdateSettings, {});
  const messages = show(Announcements, {});
  close = [screen.close, messages.close];
  await rendered();
  return screen.target;
}
const buttons = (target: Element): string[] => [...target.querySelectorAll("button")].map(text);

beforeAll(() => setLanguage("en"));
beforeEach(() => {
  clearKeptReplies();
  announcer.clear();
  const answer = (change: Partial<UpdateView>) => () => (view = { ...view, ...change });
  platform.replies = {
    get_update_state: () => view,
    check_for_updates: answer({ phase: "available", release }),
    download_update: answer({ phase: "downloaded", release, received: release.size }),
    install_update: answer({ phase: "installs_on_quit" }),
    forget_update_report: answer({ report: null }),
  };
  platform.calls = [];
});
afterEach(() => close.forEach((c) => c()));

describe("updates", () => {
  it("are checked, downloaded and installed when the app is closed", async () => {
    const target = await open({});
    expect(text(target)).toContain("Version 1.1.0, channel: stable.");
    expect(buttons(target)).toEqual(["Check for updates"]);
    await click(byRole(target, "button", "Check for updates"));
    expect(text(target)).toContain("Version 1.2.0 is available (25 MB).");
    expect(text(target)).toContain("- Faster.");
    await click(byRole(target, "button", "Download the update"));
    expect(text(target)).toContain("Version 1.2.0 can be installed.");
    expect(buttons(target)).toEqual(["Install and restart", "Install when the app is closed"]);
    await click(byRole(target, "button", "Install when the app is closed"));
    expect(platform.requests("install_update")).toEqual([{ when: "on_quit" }]);
    expect(text(target)).toContain("Version 1.2.0 is installed when the app is closed.");
    expect(buttons(target)).toEqual(["Install and restart", "Do not install yet"]);
  });

  it("can be installed at once or later", async () => {
    const target = await open({ phase: "installs_on_quit", release });
    await click(byRole(target, "button", "Do not install yet"));
    await click(byRole(target, "button", "Install and restart"));
    expect(platform.requests("install_update")).toEqual([{ when: "not_yet" }, { when: "now" }]);
  });

  it("show the progress of a download", async () => {
    const target = await open({ phase: "downloading", release, received: 10_000_000 });
    const bar = byRole(target, "progressbar", "Downloading version 1.2.0");
    expect(bar.getAttribute("aria-valuenow")).toBe("40");
    expect(buttons(target)).toEqual([]);
  });

  it.each([
    ["not_yet", "A new version is given to a part of all devices first. This device gets it later."],
    ["up_to_date", "This is the newest version."],
  ] satisfies [UpdatePhaseView, string][])("in the phase %s say so", async (phase, expected) => {
    const target = await open({ phase });
    expect(text(target)).toContain(expected);
    expect(buttons(target)).toEqual(["Check for updates"]);
  });

  const kinds = Object.keys(en)
    .filter((key) => key.startsWith("updates.problem."))
    .map((key) => key.slice("updates.problem.".length) as UpdateProblemKind);
  it("have a text for each kind of problem", () => expect(kinds).toHaveLength(16));
  it.each(kinds)("say in words what failed: %s", async (kind) => {
    const target = await open({ problem: { kind, network: null, message: "technical" } });
    expect(text(target)).toContain(en[`updates.problem.${kind}`]);
    expect(text(target)).not.toContain("technical");
  });

  it.each([
    ["certificate_untrusted", en["network.certificate_untrusted"]],
    ["proxy_authentication", en["network.proxy_authentication"]],
    // Waiting helps.
    ["dns", en["updates.problem.offline"]],
    ["unknown", en["updates.problem.offline"]],
  ])("name the cause of a failed connection: %s", async (network, expected) => {
    const target = await open({ problem: { kind: "offline", network, message: "technical" } });
    expect(text(target)).toContain(expected);
  });

  it("cannot be checked where the organisation updates the app", async () => {
    const target = await open({ disabled: "managed" });
    expect(text(target)).toContain("This app is updated by the system or by your organisation.");
    expect(buttons(target)).toEqual([]);
  });

  it("report that a version was rolled back, until it was read", async () => {
    const target = await open({ report: { outcome: "rolled_back", version: "1.2.0" } });
    expect(text(byRole(target, "status"))).toContain("Version 1.2.0 did not start");
    await click(byRole(target, "button", "Close"));
    expect(platform.requests("forget_update_report")).toHaveLength(1);
    expect(text(target)).not.toContain("did not start");
  });

  it("report a failed command", async () => {
    const target = await open({});
    platform.replies["check_for_updates"] = () => fail("internal");
    await click(byRole(target, "button", "Check for updates"));
    expect(announcer.toast?.isError).toBe(true);
  });
});
