import { flushSync } from "svelte";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { AppState, ErrorCode } from "../src/api/types";
import { setLanguage } from "../src/i18n/index.svelte";
import MoveServerDialog from "../src/features/settings/MoveServerDialog.svelte";
import WorkNotices from "../src/app/WorkNotices.svelte";
import { amina, stateOf, demo, idle } from "../src/platform/fixture/accounts";
import { appState } from "../src/state/appState.svelte";
import { fail, scriptPlatform, settle, show } from "./support";

const platform = scriptPlatform();
const state = (more: Partial<AppState>): AppState => ({ ...stateOf(amina, idle, [amina]), ...more });

beforeAll(async () => {
  await appState.load();
  await setLanguage("en");
});
beforeEach(() => {
  platform.replies = {};
  platform.calls = [];
});

describe("notices about the file with the learner's work", () => {
  it("show which account did not open and why; a failed retry shows the new reason", async () => {
    const failed = (code: ErrorCode): AppState =>
      state({ account: demo, openFailure: { account: amina, code, message: "" } });
    await appState.replace(failed("disk_full"));
    const { target, close } = show(WorkNotices, {});
    expect(target.textContent).toContain("Amina Diallo");
    expect(target.textContent).toContain("disk is full");
    platform.replies = { switch_account: () => fail("unavailable"), get_app_state: () => failed("unavailable") };
    target.querySelector("button")!.click();
    await settle();
    await settle();
    expect(platform.calls.map((c) => c.name)).toContain("switch_account");
    expect(target.textContent).toContain("Another program");
    platform.replies = { switch_account: () => state({}) };
    target.querySelector("button")!.click();
    await settle();
    await settle();
    expect(target.textContent).not.toContain("could not be opened");
    close();
  });

  it("have a message for every cause, including unknown ones", async () => {
    const { target, close } = show(WorkNotices, {});
    for (const code of [
      "disk_full",
      "storage",
      "unavailable",
      "too_new",
      "corrupt",
      "internal",
      "keychain",
    ] as ErrorCode[]) {
      await appState.replace(state({ readOnly: code }));
      flushSync();
      const text = target.textContent ?? "";
      expect(text).toContain("Your work cannot be saved now.");
      expect(text, code).not.toContain("work.");
      expect(text.length, code).toBeGreaterThan("Your work cannot be saved now. ".length);
    }
    await appState.replace(state({}));
    flushSync();
    expect(target.querySelector(".note")).toBeNull();
    close();
  });

  it("list the entries that a repair lost, until the learner closes the notice", async () => {
    await appState.replace(
      state({ repair: { atMs: 1, lost: ["progress section a/b/c"], unreadable: 3, unknownSinceMs: 0 } }),
    );
    const { target, close } = show(WorkNotices, {});
    expect(target.textContent).toContain("progress section a/b/c");
    expect(target.textContent).toContain("3");
    expect(target.textContent).toContain("may be missing");
    platform.replies = { forget_repair: () => state({}) };
    target.querySelector("button")!.click();
    await settle();
    expect(target.querySelector(".note")).toBeNull();
    close();
  });
});

describe("the new address of a server", () => {
  it("is checked by the core; the wrong server and other errors are shown and change nothing", async () => {
    await appState.replace(state({}));
    let closed = 0;
    const { target, close } = show(MoveServerDialog, { server: amina.server, onclose: () => closed++ });
    const field = target.querySelector<HTMLInputElement>("input")!;
    const submit = async (address: string): Promise<void> => {
      field.value = address;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      target.querySelector("form")!.dispatchEvent(new SubmitEvent("submit", { bubbles: true, cancelable: true }));
      await settle();
      await settle();
    };
    await submit("   ");
    expect(platform.calls.filter((c) => c.name === "move_server")).toEqual([]);
    platform.replies = { move_server: () => fail("invalid_request") };
    await submit("elsewhere.example");
    expect(target.querySelector("[role=alert]")?.textContent).toContain("another server");
    expect(closed).toBe(0);
    platform.replies = { move_server: () => fail("offline") };
    await submit("new.example");
    expect(target.querySelector("[role=alert]")?.textContent).not.toContain("another server");
    platform.replies = { move_server: () => state({ account: { ...amina, server: "https://new.example" } }) };
    await submit(" new.example ");
    expect(platform.calls.at(-1)).toEqual({ name: "move_server", request: { address: "new.example" } });
    expect(closed).toBe(1);
    expect(appState.app.account?.server).toBe("https://new.example");
    close();
  });
});
