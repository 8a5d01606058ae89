import { readFileSync } from "node:fs";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { PolicyList } from "../src/api/types";
import Settings from "../src/features/settings/Settings.svelte";
import { policyKeys } from "../src/features/settings/policyLabels";
import Welcome from "../src/features/welcome/Welcome.svelte";
import { amina, idle, noPolicies, stateOf } from "../src/platform/fixture/accounts";
import { appState } from "../src/state/appState.svelte";
import { allByRole, byRole, click, fail, rendered, scriptPlatform, show, text, type } from "./support";

const platform = scriptPlatform();
let close: () => void = () => undefined;

const managed: PolicyList = {
  ...noPolicies,
  entries: [
    { key: "ServerAddress", value: "https://school.example", locked: true, source: "/etc/carrel/policies.json" },
    { key: "DownloadOnMetered", value: "never", locked: true, source: "/etc/carrel/policies.json" },
    { key: "LogLevel", value: "debug", locked: false, source: "/etc/carrel/policies.json" },
    { key: "FromTheFuture", value: "1", locked: false, source: "/etc/carrel/policies.json" },
  ],
  problems: ["/etc/carrel/policies.json:2:3: KioskMod: there is no such key"],
  serverAddress: "https://school.example",
  serverAddressLocked: true,
};

beforeAll(() => appState.load());
beforeEach(async () => {
  platform.replies = { get_policies: () => managed };
  platform.calls = [];
  await appState.replace(stateOf(amina, idle, [amina]));
});
afterEach(() => {
  close();
  close = () => undefined;
});

async function settings(): Promise<HTMLElement> {
  const screen = show(Settings, {});
  close = screen.close;
  await rendered();
  await rendered();
  return screen.target;
}

describe("settings of the organisation", () => {
  it("are listed with what is locked, and the problems for the administrator", async () => {
    const target = await settings();
    const section = byRole(target, "heading", "Managed by your organisation").closest("section")!;
    const rows = [...section.querySelectorAll("dl > div")].map((row) => text(row));
    expect(rows).toHaveLength(4);
    expect(rows[0]).toContain("Server address");
    expect(rows[0]).toContain("https://school.example");
    expect(rows[0]).toContain("Locked");
    expect(rows[2]).not.toContain("Locked");
    expect(rows[3]).toContain("FromTheFuture");
    expect(text(section.querySelector("details")!)).toContain("there is no such key");
  });

  it("cannot be changed", async () => {
    const target = await settings();
    const radios = [...target.querySelectorAll<HTMLInputElement>("input[name=metered]")];
    expect(radios).toHaveLength(3);
    expect(radios.every((radio) => radio.disabled)).toBe(true);
    await click(radios[2]!);
    expect(platform.requests("set_settings")).toEqual([]);
  });

  it("are not mentioned without policies", async () => {
    platform.replies = { get_policies: () => noPolicies };
    const target = await settings();
    expect(target.textContent).not.toContain("Managed by your organisation");
    expect(target.querySelector<HTMLInputElement>("input[name=metered]")!.disabled).toBe(false);
  });
});

describe("the first screen of a managed device", () => {
  async function welcome(list: PolicyList): Promise<HTMLElement> {
    platform.replies = { get_policies: () => list };
    await appState.replace({ ...stateOf(amina, idle, []), account: null, demoAvailable: true });
    const screen = show(Welcome, {});
    close = screen.close;
    await rendered();
    return screen.target;
  }
  const address = (target: Element) => target.querySelector<HTMLInputElement>("#address")!;

  it("contains the server of the organisation, which cannot be changed", async () => {
    const target = await welcome(managed);
    expect([address(target).value, address(target).readOnly]).toEqual(["https://school.example", true]);
    expect(text(target)).toContain("Your organisation set the server of this device.");
  });

  it("suggests a server that is not locked", async () => {
    const target = await welcome({ ...managed, serverAddressLocked: false });
    expect([address(target).value, address(target).readOnly]).toEqual(["https://school.example", false]);
  });

  it("offers only the allowed ways to start", async () => {
    const all = await welcome(noPolicies);
    const buttons = allByRole(all, "button").map((button) => text(button));
    close();
    const some = await welcome({ ...noPolicies, signInMethods: ["password"] });
    const left = allByRole(some, "button").map((button) => text(button));
    expect(buttons.filter((name) => !left.includes(name))).toHaveLength(2);
  });
});

describe("a kiosk", () => {
  it("shows the code of kept work until the learner has noted it", async () => {
    const state = { ...stateOf(amina, idle, []), account: null };
    platform.replies = { forget_kept_work: () => state };
    await appState.replace({ ...state, keptWork: [{ code: "7K2MF-Q8D3X-0VWR5-9ABCD", rows: 3, learner: "Amina" }] });
    const screen = show(Welcome, {});
    close = screen.close;
    await rendered();
    expect(text(screen.target)).toContain("7K2MF-Q8D3X-0VWR5-9ABCD");
    expect(text(screen.target)).toContain("3 entries");
    expect(text(screen.target)).toContain("Work of Amina");
    await click(byRole(screen.target, "button", "I have noted the code"));
    await rendered();
    expect(platform.requests("forget_kept_work")).toEqual([{ code: "7K2MF-Q8D3X-0VWR5-9ABCD" }]);
    expect(text(screen.target)).not.toContain("7K2MF");
  });

  it("adds kept work to the account of the learner who enters the code", async () => {
    platform.replies = { get_policies: () => noPolicies, claim_work: () => fail("not_found") };
    const state = stateOf(amina, idle, [amina]);
    const none = await settings();
    expect(text(none)).not.toContain("Claim kept work");
    close();
    await appState.replace({ ...state, hasClaimableWork: true });
    const target = await settings();
    await click(byRole(target, "button", "Claim kept work"));
    const field = document.querySelector<HTMLInputElement>("#kept-code")!;
    type(field, "wrong");
    const submit = () => field.form!.dispatchEvent(new Event("submit", { cancelable: true, bubbles: true }));
    submit();
    await rendered();
    expect(text(document.body)).toContain("No work is kept under this code");
    platform.replies["claim_work"] = () => ({ rows: 3, changed: 3, unreadable: 0 });
    type(field, "7k2mf q8d3x 0vwr5 9abcd");
    submit();
    await rendered();
    expect(platform.requests("claim_work")).toEqual([{ code: "wrong" }, { code: "7k2mf q8d3x 0vwr5 9abcd" }]);
    expect(document.querySelector("#kept-code")).toBeNull();
  });
});

it("every policy of the core has a label", () => {
  const schema = JSON.parse(readFileSync("../packaging/policy/policies.schema.json", "utf8")) as {
    properties: Record<string, unknown>;
  };
  const keys = Object.keys(schema.properties).filter((key) => key !== "$schema");
  expect([...policyKeys].sort()).toEqual(keys.sort());
});
