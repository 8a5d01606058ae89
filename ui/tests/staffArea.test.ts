import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import NavBar from "../src/app/NavBar.svelte";
import type { Account, Role } from "../src/api/types";
import { amina, idle, offline, stateOf } from "../src/platform/fixture/accounts";
import { setLanguage } from "../src/i18n/index.svelte";
import Administer from "../src/staff/app/Administer.svelte";
import Teach from "../src/staff/app/Teach.svelte";
import { clearStaffReplies } from "../src/staff/load.svelte";
import { hasRole } from "../src/state/roles";
import { href, parse } from "../src/state/router.svelte";
import { appState } from "../src/state/appState.svelte";
import { allByRole, fail, rendered, scriptPlatform, show, text } from "./support";

const platform = scriptPlatform();
let close: (() => void)[] = [];
const account = (role: Role): Account => ({ ...amina, user: { ...amina.user, role } });
const signIn = (role: Role, sync = idle): Promise<void> =>
  appState.replace(stateOf(account(role), sync, [account(role)]));

beforeAll(() => appState.load());
beforeEach(() => {
  platform.reset();
  clearStaffReplies();
});
afterEach(async () => {
  close.forEach((one) => one());
  close = [];
  await setLanguage("en");
});

describe("the navigation bar", () => {
  const entries = async (role: Role, narrow: boolean): Promise<string[]> => {
    await signIn(role);
    const bar = show(NavBar, { narrow });
    await rendered();
    const names = allByRole(bar.target, "link").map(text);
    bar.close();
    return names.filter((name) => name === "Teach" || name === "Administer");
  };
  it("has the areas of the role, on a phone one entry for both", async () => {
    expect(await entries("student", false)).toEqual([]);
    expect(await entries("instructor", false)).toEqual(["Teach"]);
    expect(await entries("administrator", false)).toEqual(["Teach", "Administer"]);
    expect(await entries("administrator", true)).toEqual(["Teach"]);
  });
});

describe("the areas in the app", () => {
  const open = async (component: typeof Teach, route: ReturnType<typeof parse>) => {
    const screen = show(component as never, { route });
    close.push(screen.close);
    await rendered();
    return screen.target;
  };
  it("request with the session of the account, and show pages in its language", async () => {
    await signIn("instructor");
    const target = await open(Teach, parse("#/teach/courses"));
    expect(platform.requests("staff_get")).toContainEqual({ path: "/api/v1/admin/courses" });
    expect(text(target)).toContain("How Rivers Work");
  });
  it("tell learners that they are not for their role, and request nothing", async () => {
    await signIn("student");
    expect(text(await open(Teach, parse("#/teach")))).toContain("Not for your role");
    close.splice(0).forEach((one) => one());
    await signIn("instructor");
    expect(text(await open(Administer, parse("#/administer")))).toContain("Not for your role");
    expect(platform.requests("staff_get")).toEqual([]);
  });
  it("show nothing of one person to the next", async () => {
    await signIn("instructor");
    await open(Teach, parse("#/teach/courses"));
    close.splice(0).forEach((one) => one());
    platform.replies["staff_get"] = () => fail("offline");
    const other = { ...account("instructor"), id: "a9", user: { ...account("instructor").user, id: "other" } };
    await appState.replace(stateOf(other, offline, [other]));
    const target = await open(Teach, parse("#/teach/courses"));
    expect(text(target)).not.toContain("How Rivers Work");
    expect(text(target)).toContain("Not read yet on this device");
  });
});

it("addresses name an area and a page of it", () => {
  for (const address of ["#/teach", "#/teach/class/a-1/devices", "#/administer/import"])
    expect(href(parse(address))).toBe(address);
  expect(parse("#/teach/a/b/c/d")).toEqual({ name: "notFound" });
  expect([hasRole(undefined, "student"), hasRole("administrator", "instructor")]).toEqual([false, true]);
});
