import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Account, FileView, OpenRequestView } from "../src/api/types";
import OpenRequests from "../src/app/OpenRequests.svelte";
import Welcome from "../src/features/welcome/Welcome.svelte";
import { amina, demo, idle, stateOf } from "../src/platform/fixture/accounts";
import { announcer } from "../src/state/announce.svelte";
import { appState } from "../src/state/appState.svelte";
import { byRole, click, fail, rendered, scriptPlatform, show, text, type } from "./support";

const platform = scriptPlatform();
let close: () => void;
let requests: OpenRequestView[] = [];
const file: OpenRequestView = { kind: "file", path: "/media/usb/rivers.carrel", name: "rivers.carrel" };
const contents: FileView = {
  kind: "courses",
  serverName: "Rivers School",
  fingerprint: "ebc8 cde7 c556 544d 937f",
  needsConfirmation: false,
  madeMs: 1_790_000_000_000,
  bytes: 2_000_000,
  newBytes: 2_000_000,
  courses: [{ id: "rivers", isStory: false, title: "How rivers work", bytes: 2_000_000, local: "absent" }],
  refusal: null,
  converted: null,
};

async function open(account: Account | null, ...waiting: OpenRequestView[]): Promise<HTMLElement> {
  requests = waiting;
  await appState.replace(stateOf(account, idle, account ? [account] : []));
  const screen = show(OpenRequests, {});
  close = screen.close;
  await rendered();
  return screen.target;
}
const press = (target: Element, name: string) => click(byRole(target, "button", name));
const dialog = (target: Element) => target.querySelector("dialog");

beforeAll(() => appState.load());
beforeEach(() => {
  platform.calls = [];
  platform.replies = {
    take_open_requests: () => ({ requests: requests.splice(0) }),
    inspect_file: () => contents,
    list_removable_media: () => ({ folders: [], files: [] }),
  };
  location.hash = "#/";
});
afterEach(() => close());

describe("a file that the system opened", () => {
  it("shows its contents, and imports nothing before the user confirms", async () => {
    const target = await open(amina, file);
    await rendered();
    expect(platform.requests("inspect_file")).toEqual([{ path: "/media/usb/rivers.carrel", lang: "en" }]);
    expect(text(target)).toContain("How rivers work");
    expect(platform.requests("import_courses")).toEqual([]);
    platform.replies.import_courses = () => ({ courses: [{ id: "rivers", imported: true }] });
    await press(target, "Add to this device");
    await rendered();
    expect(platform.requests("import_courses")).toEqual([{ path: "/media/usb/rivers.carrel" }]);
  });

  it("asks for a learner first, and waits until one is chosen", async () => {
    const target = await open(null, file);
    expect(text(target)).toContain("You opened rivers.carrel.");
    await press(target, "Choose a learner");
    await rendered();
    expect(dialog(target)).toBeNull();
    expect(platform.requests("inspect_file")).toEqual([]);
    await appState.replace(stateOf(amina, idle, [amina]));
    await rendered();
    expect(text(target)).toContain("How rivers work");
  });

  it("can be opened without an account", async () => {
    const target = await open(null, file);
    platform.replies.open_guest = () => stateOf(demo, idle, [demo]);
    await press(target, "Continue without an account");
    await rendered();
    expect(text(target)).toContain("How rivers work");
  });

  it("is chosen in the dialog if the system asks for that", async () => {
    const target = await open(amina, { kind: "choose_file" });
    expect(text(target)).toContain("Choose a file");
    expect(platform.requests("inspect_file")).toEqual([]);
  });

  it("is one of several, which are shown one after the other", async () => {
    const target = await open(amina, { kind: "refused", shown: "javascript:x", reason: "scheme" }, file);
    expect(text(target)).toContain("javascript:x");
    expect(text(target)).toContain("It is not a link to Carrel.");
    await click([...target.querySelectorAll("button")].at(-1)!);
    await rendered();
    expect(text(target)).toContain("How rivers work");
  });
});

describe("a link", () => {
  it("that arrives while the app runs is shown", async () => {
    const target = await open(amina);
    expect(dialog(target)).toBeNull();
    requests = [{ kind: "server", server: "school.example" }];
    platform.emit({ kind: "open_requested" });
    await rendered();
    expect(text(target)).toContain("school.example");
  });

  it("to a server contacts it only after the user confirms", async () => {
    const target = await open(null, { kind: "server", server: "https://school.example" });
    const welcome = show(Welcome, {});
    await rendered();
    expect(text(target)).toContain("https://school.example");
    expect(platform.requests("check_server")).toEqual([]);
    await press(target, "Connect");
    await rendered();
    expect(platform.requests("check_server")).toEqual([{ address: "https://school.example" }]);
    expect(location.hash).toBe("#/welcome");
    welcome.close();
  });

  it("that is cancelled changes nothing", async () => {
    const target = await open(amina, { kind: "enrol", server: "school.example", token: "A1-b2" });
    expect(text(target)).toContain("A1-b2");
    await press(target, "Cancel");
    await rendered();
    expect(dialog(target)).toBeNull();
    expect(appState.proposedServer).toBe("");
    expect(platform.calls.map((c) => c.name)).not.toContain("check_server");
  });

  it("with an enrolment code sends it to the server of the link, and to no other", async () => {
    const server = {
      address: "https://school.example",
      name: "School",
      version: "",
      passwordReset: false,
      clockAheadMs: 0,
    };
    platform.replies["check_server"] = () => ({ ...server, registrationOpen: false });
    platform.replies["register"] = () => fail("token_used_up");
    platform.replies["sign_in"] = () => ({ ...stateOf(amina, idle, [amina]), enrolmentRefused: "token_expired" });
    const target = await open(null, { kind: "enrol", server: "school.example", token: "A1-b2" });
    const welcome = show(Welcome, {});
    await press(target, "Connect");
    await rendered();
    await rendered();
    const form = welcome.target;
    expect(text(form)).toContain("Your link has an enrolment code");
    const fill = (id: string, value: string) => type(form.querySelector<HTMLInputElement>(id)!, value);
    fill("#login", "amina");
    fill("#name", "Amina");
    fill("#password", "a long password");
    await press(form, "Create an account");
    await rendered();
    const enrolmentToken = "A1-b2";
    expect(platform.requests("register")).toEqual([
      { address: server.address, login: "amina", name: "Amina", password: "a long password", enrolmentToken },
    ]);
    expect(text(form)).toContain("used as often as it allows");
    // Whoever has an account signs in; a refused code is reported and does not prevent it.
    await press(form, "I have an account");
    await press(form, "Sign in");
    await rendered();
    expect(platform.requests("sign_in")).toEqual([
      { address: server.address, login: "amina", password: "a long password", enrolmentToken },
    ]);
    expect(announcer.toast?.text).toContain("has expired or was withdrawn");
    welcome.close();
  });

  it("with an enrolment code does not send it after the address was changed", async () => {
    const info = (r: { address: string }) => ({
      address: `https://${r.address}`,
      name: "S",
      version: "",
      passwordReset: false,
      clockAheadMs: 0,
    });
    platform.replies["check_server"] = () => ({
      ...info(platform.requests("check_server").at(-1) as { address: string }),
      registrationOpen: false,
    });
    const target = await open(null, { kind: "enrol", server: "school.example", token: "A1-b2" });
    const welcome = show(Welcome, {});
    await press(target, "Connect");
    await rendered();
    await rendered();
    const form = welcome.target;
    await press(form, "Use another server");
    type(form.querySelector<HTMLInputElement>("#address")!, "other.example");
    await press(form, "Connect");
    await rendered();
    await rendered();
    expect(text(form)).not.toContain("Your link has an enrolment code");
    expect(text(form)).not.toContain("Create an account");
    welcome.close();
  });

  it("to a course opens it after confirmation, if its server is that of the account", async () => {
    const server = amina.server.replace(/^https?:\/\//, "");
    const target = await open(amina, { kind: "course", course: "rivers", server });
    expect(location.hash).toBe("#/");
    await press(target, "Open the course");
    expect(location.hash).toBe("#/course/rivers");
  });

  it("to a course of another server offers only to connect", async () => {
    const target = await open(amina, { kind: "course", course: "rivers", server: "https://other.example" });
    expect(text(target)).toContain("https://other.example");
    expect([...target.querySelectorAll("button")].map((b) => b.textContent.trim())).not.toContain("Open the course");
    await press(target, "Connect");
    expect(appState.proposedServer).toBe("https://other.example");
  });

  it("to a course needs a learner", async () => {
    const target = await open(null, { kind: "course", course: "rivers", server: null });
    expect(text(target)).toContain("Choose a learner first");
    expect([...target.querySelectorAll("button")].map((b) => b.textContent.trim())).not.toContain("Open the course");
  });

  it.each([
    ["too_long", "It is too long."],
    ["token", "It contains no valid code."],
    ["something new", "It is incomplete, or made for another version of Carrel."],
  ])("that is refused states why: %s", async (reason, message) => {
    const target = await open(amina, { kind: "refused", shown: "carrel://x", reason });
    expect(text(target)).toContain(message);
  });
});
