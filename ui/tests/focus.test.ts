import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { flushSync } from "svelte";
import Download from "../src/components/download/Download.svelte";
import Settings from "../src/features/settings/Settings.svelte";
import Storage from "../src/features/storage/Storage.svelte";
import { amina, idle, stateOf, nia } from "../src/platform/fixture/accounts";
import { absent, partly, ready } from "../src/platform/fixture/catalogue";
import { appState } from "../src/state/appState.svelte";
import { keepFocus } from "../src/state/focus";
import { byRole, click, rendered, scriptPlatform, show, text } from "./support";

const platform = scriptPlatform();
const focused = () => text(document.activeElement!) || document.activeElement!.getAttribute("aria-label");
let close: (() => void)[] = [];
/** Mounts into a `main` element, as the app does. */
async function open<P extends Record<string, unknown>>(component: Parameters<typeof show<P>>[0], props: P) {
  const screen = show(component, props);
  const main = document.createElement("main");
  main.tabIndex = -1;
  screen.target.replaceWith(main);
  main.append(screen.target);
  close.push(screen.close);
  await rendered();
  return main;
}
function page(html: string): HTMLElement {
  const main = document.createElement("main");
  main.innerHTML = html;
  document.body.append(main);
  return main;
}
const get = (id: string) => document.getElementById(id)!;

beforeAll(() => appState.load());
beforeEach(async () => {
  platform.replies = {};
  platform.calls = [];
  close = [keepFocus(document.body)];
  await appState.replace(stateOf(amina, idle, [amina, nia]));
  appState.downloads.clear();
});
afterEach(() => close.reverse().forEach((c) => c()));

describe("the focus of a removed control", () => {
  it.each([
    [
      "the marked control of its group",
      `<div><button id="a"></button><i></i><button data-focus-next id="b"></button></div>`,
      "b",
    ],
    [
      "the first control of its group",
      `<ul><li><a href="#" id="b"></a></li><li id="x"><button id="a"></button></li></ul>`,
      "b",
    ],
    ["the next group with a control", `<section><a href="#" id="b"></a><p><button id="a"></button></p></section>`, "b"],
    ["the heading of the page", `<h1 id="b"></h1><button id="a"></button><button></button>`, "b"],
    [
      "a control that is enabled",
      `<p><button disabled></button><button id="b"></button><button id="a"></button></p>`,
      "b",
    ],
  ])("moves to %s", async (_, html, next) => {
    page(html);
    get("a").focus();
    get("a").remove();
    await rendered();
    expect(document.activeElement?.id).toBe(next);
  });

  it("moves to the control that had the focus before a sheet", async () => {
    page(
      `<h1></h1><p><button></button><button id="opener"></button></p><div id="sheet" role="dialog"><button id="a"></button></div>`,
    );
    get("opener").focus();
    get("a").focus();
    get("sheet").remove();
    await rendered();
    expect(document.activeElement?.id).toBe("opener");
  });

  it("stays on the body if the learner had left the control", async () => {
    page(`<p><button id="a"></button><button></button></p>`);
    get("a").focus();
    get("a").blur();
    await rendered();
    get("a").remove();
    await rendered();
    expect(document.activeElement).toBe(document.body);
  });

  it("returns to a control that is enabled again", async () => {
    page(`<p><button></button><button id="a"></button></p>`);
    const button = get("a") as HTMLButtonElement;
    button.focus();
    button.disabled = true;
    await rendered();
    // Browsers move the focus of a disabled control to the body.
    button.blur();
    await rendered();
    button.disabled = false;
    await rendered();
    expect(document.activeElement).toBe(button);
  });

  it("does not leave a control elsewhere", async () => {
    page(`<p><button id="a"></button></p><p><button id="c"></button></p>`);
    get("a").focus();
    get("c").focus();
    get("a").remove();
    await rendered();
    expect(document.activeElement?.id).toBe("c");
  });
});

describe("a download", () => {
  const course = { id: "soil", title: "Soil", size: 5_450_000 };
  it("keeps the focus over start, pause, resume and the end", async () => {
    platform.replies["start_download"] = () => partly(5_450_000, { phase: "running" });
    platform.replies["pause_download"] = () => partly(5_450_000, { phase: "paused", reason: "user" });
    const target = await open(Download, { ...course, state: absent(5_450_000) });
    await click(target.querySelector("button")!);
    expect(focused()).toBe("Pause the download");
    await click(byRole(target, "button", "Pause the download"));
    expect(focused()).toBe("Resume");
    await click(byRole(target, "button", "Resume"));
    expect(focused()).toBe("Pause the download");
    appState.downloads.set("soil", ready(5_450_000));
    flushSync();
    await rendered();
    expect(focused()).toBe("Check offline availability");
  });

  it("keeps the focus when its removal is asked for, cancelled and done", async () => {
    platform.replies["remove_download"] = () => absent(5_450_000);
    const target = await open(Download, { ...course, state: ready(5_450_000) });
    await click(byRole(target, "button", "Remove from this device"));
    expect(focused()).toBe("Cancel");
    await click(byRole(target, "button", "Cancel"));
    expect(focused()).toBe("Check offline availability");
    await click(byRole(target, "button", "Remove from this device"));
    await click(byRole(target, "button", "Remove"));
    expect(focused()).toContain("Download");
  });
});

describe("a dialog", () => {
  it("returns the focus to its opener", async () => {
    const target = await open(Settings, {});
    const opener = byRole(target, "button", `Sign out: ${nia.user.name}`);
    await click(opener);
    await click(byRole(byRole(target, "dialog"), "button", "Cancel"));
    expect(document.activeElement).toBe(opener);
  });

  it("moves the focus to the heading if its opener is gone: signing out another account", async () => {
    const target = await open(Settings, {});
    platform.replies["sign_out"] = () => stateOf(amina, idle, [amina]);
    await click(byRole(target, "button", `Sign out: ${nia.user.name}`));
    await click(byRole(byRole(target, "dialog"), "button", "Sign out"));
    await rendered();
    expect(document.activeElement).not.toBe(document.body);
    expect(target.contains(document.activeElement)).toBe(true);
  });

  it("returns to an opener that was disabled while the dialog was prepared", async () => {
    const target = await open(Storage, {});
    const opener = target.querySelector<HTMLElement>(".courses .icon-button")!;
    await click(opener);
    await click(byRole(byRole(target, "dialog"), "button", "Cancel"));
    expect(document.activeElement).toBe(opener);
  });
});

it("signing out keeps the focus on the page", async () => {
  const screen = show(Settings, {});
  const main = page("");
  main.append(screen.target);
  await rendered();
  platform.replies["sign_out"] = () => stateOf(null, idle, [nia]);
  await click(byRole(main, "button", `Sign out: ${amina.user.name}`));
  await click(byRole(byRole(main, "dialog"), "button", "Sign out"));
  screen.close();
  await rendered();
  expect(document.activeElement).toBe(main);
});
