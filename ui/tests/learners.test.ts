import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Account, AppState } from "../src/api/types";
import { Delay } from "../src/components/account/delay.svelte";
import Settings from "../src/features/settings/Settings.svelte";
import Welcome from "../src/features/welcome/Welcome.svelte";
import { amina, demo, idle, nia, offline, stateOf, yusuf } from "../src/platform/fixture/accounts";
import { CommandFailure } from "../src/platform/failure";
import { appState } from "../src/state/appState.svelte";
import { router, type Route } from "../src/state/router.svelte";
import { allByRole, byRole, click, fail, rendered, scriptPlatform, show, text, type } from "./support";

const platform = scriptPlatform();
let close: () => void = () => undefined;
const welcome = (route: Route) => show(Welcome, { route });
const settingsScreen = () => show(Settings, {});
const all = [amina, nia, yusuf, demo];

async function open(
  screen: (route: Route) => ReturnType<typeof show>,
  account: Account | null,
  accounts = all,
  sync = idle,
) {
  await appState.replace(stateOf(account, sync, accounts));
  const shown = screen(router.route);
  close = shown.close;
  await rendered();
  return shown.target;
}
/** Replies with this account open; none: with the first screen. */
const opens =
  (account: Account | null, accounts = all) =>
  (): AppState =>
    stateOf(account, idle, accounts);
const chooser = () => open(welcome, null);
const settings = (account: Account, sync = idle) => open(settingsScreen, account, all, sync);
const learner = (target: Element, name: string) =>
  allByRole<HTMLButtonElement>(target, "button").find(
    (b) => b.classList.contains("learner") && text(b).includes(name),
  )!;
const button = (target: Element, name: string) => byRole<HTMLButtonElement>(target, "button", name);
const dialog = (target: Element) => byRole(target, "dialog");
const secret = (target: Element, id: string) => target.querySelector<HTMLInputElement>(`#${id}`)!;
const refuse = (reason: string, retryAfterMs?: number) => (): never => {
  throw new CommandFailure({
    code: reason === "pin_wait" ? "rate_limited" : "bad_credentials",
    message: reason,
    hint: "",
    retryable: false,
    correlationId: "",
    reason,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
};

beforeAll(() => appState.load());
beforeEach(() => {
  platform.replies = {};
  platform.calls = [];
  location.hash = "#/";
  router.route = { name: "library" };
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  close();
});

describe("the first screen of a device with learners", () => {
  it("lists every learner with their state", async () => {
    const target = await chooser();
    expect(text(byRole(target, "heading", "Who studies here?"))).toBe("Who studies here?");
    const rows = allByRole(byRole(target, "list", "Learners on this device"), "listitem");
    expect(rows.map((row) => text(row).replace(/^./, ""))).toEqual([
      " Amina Diallo Lakeside School",
      " Nia Okafor Lakeside Schoolwith PIN",
      " Yusuf Kamara Lakeside Schoolsigned out",
      expect.stringContaining("emo library") as string,
    ]);
  });

  it("opens a learner without a PIN at once", async () => {
    platform.replies["switch_account"] = opens(amina);
    const target = await chooser();
    await click(learner(target, "Amina"));
    expect(platform.requests("switch_account")).toEqual([{ account: amina.id }]);
    expect([appState.app.account?.id, location.hash]).toEqual([amina.id, "#/"]);
  });

  it("shows a filled-in form for a learner who signed out, and leads back to all learners", async () => {
    const target = await chooser();
    await click(learner(target, "Yusuf"));
    expect(byRole<HTMLInputElement>(target, "textbox", "User name").value).toBe("yusuf");
    expect(text(target)).toContain("Lakeside School");
    expect(text(target)).toContain("Signing in needs the network.");
    type(secret(target, "password"), "the password");
    await click(button(target, "Sign in"));
    expect(platform.requests("sign_in")).toEqual([{ address: yusuf.server, login: "yusuf", password: "the password" }]);
    // Only whether the server has a sign-in in the browser is asked.
    expect(platform.requests("check_server")).toEqual([{ address: yusuf.server }]);
    expect(platform.requests("switch_account")).toEqual([]);
    await appState.replace(stateOf(null, idle, all));
    await rendered();
    await click(button(target, "All learners"));
    expect(allByRole(target, "heading", "Who studies here?")).toHaveLength(1);
  });

  it("shows the form if the learner has signed out elsewhere in the meantime", async () => {
    platform.replies["switch_account"] = () => fail("unauthenticated");
    const target = await chooser();
    await click(learner(target, "Amina"));
    expect(byRole<HTMLInputElement>(target, "textbox", "User name").value).toBe("amina");
  });

  it("says that adding a learner needs the network", async () => {
    const target = await chooser();
    expect(text(byRole(target, "region", "Add a learner"))).toContain("This needs the network");
    expect(text(target)).not.toContain("There is no network now.");
    vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
    dispatchEvent(new Event("offline"));
    await rendered();
    expect(text(target)).toContain("There is no network now.");
  });
});

describe("the PIN of a learner", () => {
  const asked = async () => {
    const target = await chooser();
    await click(learner(target, "Nia"));
    return { target, pin: () => secret(target, "pin"), submit: () => click(button(dialog(target), "Open")) };
  };
  it("opens the account", async () => {
    const { target, pin, submit } = await asked();
    expect(document.activeElement).toBe(pin());
    expect(pin().inputMode).toBe("numeric");
    platform.replies["switch_account"] = opens(nia);
    type(pin(), "2468");
    await submit();
    expect(platform.requests("switch_account")).toEqual([{ account: nia.id, pin: "2468" }]);
    expect(appState.app.account?.id).toBe(nia.id);
    expect(allByRole(target, "dialog")).toEqual([]);
  });

  it.each([
    ["pin_wrong", undefined, "This PIN is wrong.", false],
    ["pin_wrong", 5000, "Too many wrong PINs. Try again in 0:05.", true],
    ["pin_wait", 300_000, "Too many wrong PINs. Try again in 5:00.", true],
  ])("that is wrong ('%s', %s ms) is refused with the time to wait", async (reason, wait, words, isDelayed) => {
    const { target, pin, submit } = await asked();
    platform.replies["switch_account"] = refuse(reason, wait);
    type(pin(), "0000");
    await submit();
    expect(text(byRole(dialog(target), "alert"))).toBe(words);
    expect([pin().value, pin().getAttribute("aria-invalid")]).toEqual(["", "true"]);
    expect(button(dialog(target), "Open").disabled).toBe(isDelayed);
    expect(appState.app.account).toBeNull();
  });

  it("can be entered again after the delay", () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
    const delay = new Delay();
    delay.start(5000);
    expect(delay.ms).toBe(5000);
    vi.advanceTimersByTime(2000);
    expect(delay.ms).toBe(3000);
    vi.advanceTimersByTime(4000);
    expect([delay.ms, vi.getTimerCount()]).toEqual([0, 0]);
    delay.start(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is replaced by the password if it was forgotten", async () => {
    const { target } = await asked();
    await click(button(target, "Use the password instead"));
    expect(text(target)).toContain("After this sign-in the account has no PIN.");
    type(secret(target, "password"), "the password");
    await click(button(target, "Sign in"));
    expect(platform.requests("sign_in")).toEqual([
      { address: nia.server, login: "nia", password: "the password", removesPin: true },
    ]);
  });
});

describe("removing a learner", () => {
  const asked = async (name: string) => {
    const target = await chooser();
    await click(button(target, "Manage learners"));
    await click(button(target, `Remove from this device: ${name}`));
    return { target, remove: () => button(dialog(target), "Remove") };
  };
  it("lists the work that the server does not have, and asks", async () => {
    const { target, remove } = await asked("Yusuf Kamara");
    const lost = allByRole(dialog(target), "listitem").map(text);
    expect(lost).toEqual(["Reading: 3", "Quiz: 1", "Study time: 2"]);
    expect(remove().disabled).toBe(true);
    platform.replies["remove_account"] = opens(null, [amina, nia, demo]);
    await click(byRole(dialog(target), "checkbox"));
    await click(remove());
    expect(platform.requests("remove_account")).toEqual([{ account: yusuf.id, unsynced: 6 }]);
    expect(appState.app.accounts.map((a) => a.id)).toEqual([amina.id, nia.id, demo.id]);
    expect(allByRole(target, "dialog")).toEqual([]);
  });

  it("needs no consent if all work is on the server", async () => {
    const { target, remove } = await asked("Amina Diallo");
    expect(text(dialog(target))).toContain("All work of Amina Diallo is on the server");
    expect(allByRole(dialog(target), "checkbox")).toEqual([]);
    await click(remove());
    expect(platform.requests("remove_account")).toEqual([{ account: amina.id, unsynced: 0 }]);
  });

  it("lists again if more work was done, and needs a new consent", async () => {
    const { target, remove } = await asked("Yusuf Kamara");
    platform.replies["remove_account"] = () => fail("conflict");
    await click(byRole(dialog(target), "checkbox"));
    await click(remove());
    expect(text(byRole(dialog(target), "alert"))).toContain("More work was done in the meantime.");
    expect(platform.requests("check_account_removal")).toHaveLength(2);
    expect([byRole<HTMLInputElement>(dialog(target), "checkbox").checked, remove().disabled]).toEqual([false, true]);
  });

  it("says if the work cannot be read", async () => {
    platform.replies["check_account_removal"] = () => ({ unsynced: [], total: 0, isKnown: false });
    const { target, remove } = await asked("Amina Diallo");
    expect(text(dialog(target))).toContain("The work of Amina Diallo cannot be read.");
    expect(remove().disabled).toBe(true);
  });

  it("asks for the PIN", async () => {
    const { target, remove } = await asked("Nia Okafor");
    platform.replies["remove_account"] = refuse("pin_wrong");
    type(secret(target, "pin-remove"), "1111");
    await click(remove());
    expect(platform.requests("remove_account")).toEqual([{ account: nia.id, unsynced: 0, pin: "1111" }]);
    expect(text(byRole(dialog(target), "alert"))).toBe("This PIN is wrong.");
  });
});

describe("learners in Settings", () => {
  it("can be signed out, open or not", async () => {
    const target = await settings(amina);
    expect(allByRole(target, "button", "Sign out: Yusuf Kamara")).toEqual([]);
    platform.replies["sign_out"] = opens(amina);
    await click(button(target, "Sign out: Nia Okafor"));
    await click(button(dialog(target), "Sign out"));
    expect(platform.requests("sign_out")).toEqual([{ account: nia.id }]);
    expect(appState.app.account?.id).toBe(amina.id);
  });

  it("offline are told that a sign-in needs the network, and can leave instead", async () => {
    const target = await settings(amina, offline);
    await click(button(target, "Sign out: Amina Diallo"));
    expect(text(dialog(target))).toContain("You are offline. Signing in again needs the network.");
    await click(button(dialog(target), "Switch learner"));
    expect([platform.requests("sign_out"), platform.requests("leave_account")]).toEqual([[], [{}]]);
    expect(appState.app.account).toBeNull();
  });

  it("are switched to: a signed-out one by the filled-in form, one with a PIN by the PIN", async () => {
    const target = await settings(amina);
    await click(button(target, "Switch to Yusuf Kamara"));
    expect(location.hash).toBe(`#/welcome/${yusuf.id}`);
    await click(button(target, "Switch to Nia Okafor"));
    platform.replies["switch_account"] = opens(nia);
    type(secret(target, "pin"), "2468");
    await click(button(dialog(target), "Open"));
    expect(appState.app.account?.id).toBe(nia.id);
    close();
    router.route = { name: "welcome", account: yusuf.id };
    const form = await open(welcome, amina);
    expect(byRole<HTMLInputElement>(form, "textbox", "User name").value).toBe("yusuf");
  });

  it("set, change and remove their PIN", async () => {
    const target = await settings(amina);
    await click(button(target, "Set a PIN"));
    type(secret(target, "pin-new"), "2468");
    type(secret(target, "pin-again"), "2469");
    await click(button(dialog(target), "Set a PIN"));
    expect(text(byRole(dialog(target), "alert"))).toBe("The two PINs are not the same.");
    type(secret(target, "pin-again"), "2468");
    const withPin = { ...amina, hasPin: true };
    platform.replies["set_pin"] = opens(withPin, [withPin, nia]);
    await click(button(dialog(target), "Set a PIN"));
    expect(platform.requests("set_pin")).toEqual([{ pin: "2468" }]);
    await click(button(target, "Change the PIN"));
    type(secret(target, "pin-current"), "2468");
    platform.replies["set_pin"] = opens(amina);
    await click(button(dialog(target), "Remove the PIN"));
    expect(platform.requests("set_pin").at(-1)).toEqual({ current: "2468" });
    expect(allByRole(target, "button", "Set a PIN")).toHaveLength(1);
  });
});
