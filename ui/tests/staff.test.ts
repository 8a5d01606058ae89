import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Role } from "../src/api/types";
import Announcements from "../src/app/Announcements.svelte";
import { setLanguage } from "../src/i18n/index.svelte";
import { amina } from "../src/platform/fixture/accounts";
import { staffCommands } from "../src/platform/fixture/staff";
import { CommandFailure } from "../src/platform/failure";
import AdministerPages from "../src/staff/administer/AdministerPages.svelte";
import { useStaffApi, type Method, type StaffApi } from "../src/staff/api";
import { clearStaffReplies } from "../src/staff/load.svelte";
import { loadStaffMessages } from "../src/staff/messages.svelte";
import TeachPages from "../src/staff/teach/TeachPages.svelte";
import { announcer } from "../src/state/announce.svelte";
import { allByRole, byRole, button, change, click, rendered, show, text, type } from "./support";

const CLASS = "00000000-0000-4000-8000-000000000001";
let close: (() => void)[] = [];
let sent: { method: Method; path: string; body?: unknown }[] = [];
let read: string[] = [];
let network = true;

/** Requests answered by the fixture. While `network` is false, as offline after everything was read once. */
function fixtureApi(options: string, role: Role): StaffApi {
  const online = staffCommands((option) => options.split("-").includes(option));
  const offline = staffCommands((option) => ["offline", ...options.split("-")].includes(option));
  const now = (): ReturnType<typeof staffCommands> => (network ? online : offline);
  const valueOf = <V>(result: { json: unknown; text?: string }): V => (result.text ?? result.json) as V;
  return {
    user: { ...amina.user, role },
    keepsReplies: true,
    get: async (path) => {
      await Promise.resolve();
      read.push(path);
      const result = now().staff_get({ path });
      return { value: valueOf(result), asOfMs: result.asOfMs, isStored: result.isStored };
    },
    getText: async (path) => {
      await Promise.resolve();
      const { text: plain, json } = now().staff_get({ path });
      return plain ?? JSON.stringify(json);
    },
    send: async (method, path, body) => {
      await Promise.resolve();
      sent.push({ method, path, ...(body === undefined ? {} : { body }) });
      return valueOf(now().staff_send({ method, path, body: JSON.stringify(body ?? {}) }));
    },
    sendFile: async (path, _file, _type, onProgress) => {
      await Promise.resolve();
      sent.push({ method: "POST", path });
      const result = now().staff_send({ method: "POST", path });
      onProgress(1);
      return valueOf(result);
    },
  };
}
async function open(area: "teach" | "administer", path: string, options = "", role: Role = "administrator") {
  useStaffApi(fixtureApi(options, role));
  const screen = area === "teach" ? show(TeachPages, { path }) : show(AdministerPages, { path });
  const messages = show(Announcements, {});
  close.push(screen.close, messages.close);
  await rendered();
  return { target: screen.target, message: () => text(byRole(messages.target, "status")) };
}
/** Chooses a file, as a person does. */
async function choose(target: Element, name: string, content = "a"): Promise<void> {
  const input = target.querySelector<HTMLInputElement>("input[type=file]")!;
  const files = [new File([content], name)];
  Object.defineProperty(input, "files", { value: files, configurable: true });
  input.dispatchEvent(new Event("change", { bubbles: true }));
  await rendered();
}
const rows = (target: Element): string[] => [...target.querySelectorAll("tbody th")].map((row) => text(row));
const dialog = (): HTMLElement => document.querySelector<HTMLElement>("dialog[open]")!;
/** Presses the button that sends a form. */
const submit = (name: string): Promise<void> => click(button(dialog(), name));

beforeAll(async () => {
  await setLanguage("en");
  await loadStaffMessages();
});
beforeEach(() => {
  sent = [];
  read = [];
  network = true;
  clearStaffReplies();
  announcer.clear();
});
afterEach(() => {
  close.forEach((one) => one());
  close = [];
  vi.restoreAllMocks();
});

describe("classes", () => {
  it("lists the classes with students, courses and activity, and the study time of all", async () => {
    const { target } = await open("teach", "", "", "instructor");
    expect(allByRole(target, "heading").map(text)).toEqual(["Classes", "Study time, 30 days"]);
    const links = allByRole(target, "link").map(text);
    expect(links).toContain("Form 2 East12 students, 2 courses");
    expect(text(target)).toContain("19 of 31 active in 7 days");
    expect(text(target)).toContain("9 of 11 devices heard from in the last 7 days.");
    expect(text(target)).toContain("One archived class");
    expect(links).not.toContain("Administer");
  });

  it("leads administrators to the other area, and says how classes are made", async () => {
    const { target } = await open("teach", "", "empty");
    expect(text(target)).toContain("Import the list of your school");
    expect(byRole(target, "link", "Import").getAttribute("href")).toBe("#/administer/import");
    expect(byRole(target, "link", "Administer").getAttribute("href")).toBe("#/administer");
  });

  it("shows classes without figures on a server that has none", async () => {
    const { target } = await open("teach", "", "noreports");
    expect(text(target)).toContain("Form 2 East");
    expect(text(target)).not.toContain("active in 7 days");
  });
});

describe("a class", () => {
  it("shows who got how far, with the time of the figures, sorted as chosen", async () => {
    const { target } = await open("teach", `class/${CLASS}`);
    expect(text(byRole(target, "heading", "Form 2 East"))).toBe("Form 2 East");
    expect(text(target.querySelector(".dotted")!)).toBe("12 studentsHow Rivers WorkFirst Steps in Fractions");
    const before = rows(target);
    expect(before).toHaveLength(12);
    expect(before[0]).toContain("Asha Mwangi");
    await click(button(target, "Study time"));
    const head = [...target.querySelectorAll("th[aria-sort]")];
    expect(head.map((one) => [text(one), one.getAttribute("aria-sort")])).toEqual([["Study time ↓", "descending"]]);
    expect(rows(target)[0]).toContain("Kofi Mensah");
    expect(text(target)).toMatch(/as of \d/);
    expect(text(target)).toContain("9 of 11 devices heard from");
    expect(text(target)).toContain("Work on the other 2 may be missing here.");
    expect(text(target)).toContain("One day changed later");
  });

  it("requests another period", async () => {
    const { target } = await open("teach", `class/${CLASS}`);
    await change(target.querySelector<HTMLSelectElement>("select")!, "90d");
    expect(read.at(-1)).toBe(`/api/classes/${CLASS}/report?period=90d`);
  });

  it("lists devices with refused work first, then those not heard from, waiting work and missing courses", async () => {
    const { target } = await open("teach", `class/${CLASS}/devices`);
    const lines = [...target.querySelectorAll("tbody tr")].map(text);
    expect(lines[0]).toContain("2 changes refused");
    expect(lines[0]).toMatch(/how-rivers-work\/down-to-the-sea\/map, 2 days ago: .*50,?000/);
    expect(lines[1]).toMatch(/^ليلى منصور\s*No device yet$/);
    expect(lines[2]).toContain("16 days ago");
    expect(lines.findIndex((line) => line.includes("14 changes wait to be sent, the oldest 3 days ago"))).toBe(4);
    expect(lines[5]).toContain("How Rivers Work: earlier version");
    expect(lines[6]).toContain("First Steps in Fractions: not downloaded");
    expect(lines[8]).toContain("First Steps in Fractions: download failed");
    expect(lines.at(-1)).toContain("All 2 courses are downloaded");
    expect(text(target)).toContain("Carrel 1.0.2");
    expect(text(target)).toContain("Not reported yet");
  });

  it("makes a code, which is shown once and can be printed", async () => {
    const { target } = await open("teach", `class/${CLASS}`);
    const print = vi.spyOn(window, "print").mockImplementation(() => undefined);
    await click(button(target, "Class code"));
    expect(sent).toEqual([{ method: "POST", path: `/api/v1/admin/classes/${CLASS}/code` }]);
    expect(text(dialog())).toContain("2Z7K-9ABC-DEFG");
    expect(text(dialog())).toContain("cannot be shown again");
    await click(button(dialog(), "Print"));
    expect(print).toHaveBeenCalledTimes(1);
    expect(text(document.querySelector(".print-only")!)).toContain("2Z7K-9ABC-DEFG");
    dispatchEvent(new Event("afterprint"));
    expect(document.documentElement.dataset["printing"]).toBeUndefined();
  });

  it("makes a sign-in sheet after a question, with a card for each student", async () => {
    const { target } = await open("teach", `class/${CLASS}`);
    await click(button(target, "Sign-in sheet"));
    expect(sent).toEqual([]);
    expect(text(dialog())).toContain("Each of the 12 students gets a new code");
    await submit("Sign-in sheet");
    expect(sent.map((one) => one.path)).toEqual([`/api/v1/admin/classes/${CLASS}/sign-in-sheet?lang=en`]);
    const first = text(dialog().querySelector("li.card")!);
    expect(first).toMatch(/Asha Mwangi\s*Login: asha\.mwangi\s*Code: 2Z7K-9AB0-DEFG/);
    expect(dialog().querySelectorAll("li.card")).toHaveLength(12);
    expect(document.querySelector(".print-only svg path")?.getAttribute("d")).toContain("M4 4h7");
  });

  it("says how many invitations were written, and who has no address", async () => {
    const { target, message } = await open("teach", `class/${CLASS}`);
    await click(button(target, "Invite by mail"));
    await submit("Invite by mail");
    expect(message()).toContain("2 messages are on their way. 9 students have no address.");
  });

  it("offline shows what was read yesterday with its time, and changes nothing", async () => {
    network = false;
    const { target } = await open("teach", `class/${CLASS}`);
    expect(rows(target)).toHaveLength(12);
    expect(text(target)).toContain("Offline");
    expect(text(target)).toMatch(/as of \w{3}/);
    await click(button(target, "Class code"));
    expect(text(byRole(target, "alert"))).toContain("nothing was changed");
  });

  it("saves the figures as a table", async () => {
    const { target, message } = await open("teach", `class/${CLASS}`);
    vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => "blob:x", revokeObjectURL: () => undefined }));
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(() => undefined);
    await click(button(target, "Save as a table"));
    expect(sent[0]).toEqual({
      method: "POST",
      path: "/api/exports",
      body: { kind: "class", class: CLASS, period: "30d" },
    });
    expect(message()).toContain("Saved as carrel-class-");
  });

  it("says that it does not exist, or that the role does not allow it", async () => {
    const { target } = await open("teach", "class/00000000-0000-4000-8000-000000000099");
    expect(text(target)).toContain("No such class");
    const { target: other } = await open("teach", "courses", "forbidden");
    expect(text(byRole(other, "alert"))).toContain("Not permitted");
  });

  it("offline without a stored reply says when it will be there", async () => {
    network = false;
    const { target } = await open("teach", "", "unread");
    expect(text(byRole(target, "alert"))).toContain("Not read yet on this device");
    network = true;
    await click(button(target, "Try again"));
    expect(text(target)).toContain("Form 2 East");
  });
});

describe("courses", () => {
  it("lists states and unpublished versions", async () => {
    const { target } = await open("teach", "courses");
    const items = allByRole(target, "listitem").map(text);
    expect(items[0]).toContain("How Rivers Work");
    expect(items[0]).toContain("published");
    expect(items[0]).toContain("new version waits");
    expect(items.find((one) => one.includes("Grammar"))).toContain("withdrawn");
  });

  it("publishes the new version, an earlier one after a question, and withdraws", async () => {
    const { target, message } = await open("teach", "course/how-rivers-work");
    await click(button(target, "Publish"));
    expect(sent.at(-1)).toMatchObject({
      method: "POST",
      path: `/api/v1/admin/courses/how-rivers-work/versions/${"1".repeat(64)}/publish`,
    });
    expect(message()).toContain("Published");
    expect(text(target)).not.toContain("new version waits");
    await click(allByRole<HTMLButtonElement>(target, "button", "Publish this version")[0]!);
    expect(text(dialog())).toContain("Their progress stays.");
    await submit("Publish this version");
    expect(sent).toHaveLength(2);
    await click(button(target, "Withdraw"));
    await submit("Withdraw");
    expect(sent.at(-1)).toEqual({
      method: "PATCH",
      path: "/api/v1/admin/courses/how-rivers-work",
      body: { state: "withdrawn" },
    });
    expect(text(target)).toContain("Nobody new is enrolled.");
  });

  it("lets a teacher send a draft for review, and not publish it", async () => {
    const { target } = await open("teach", "course/the-stars-of-the-south", "", "instructor");
    expect(allByRole(target, "button", "Publish")).toHaveLength(0);
    await click(button(target, "Send for review"));
    expect(sent.at(-1)?.body).toEqual({ state: "review" });
  });

  it("accepts a request, and refuses one with a reason that stays after a failure", async () => {
    const { target } = await open("teach", "course/how-rivers-work");
    await click(button(target, "Accept Nia Okafor"));
    expect(sent.at(-1)?.body).toEqual({ status: "active" });
    await click(button(target, "Refuse Yusuf Kamara"));
    const reason = dialog().querySelector("textarea")!;
    type(reason as unknown as HTMLInputElement, "Take Fractions first.");
    network = false;
    await submit("Refuse");
    expect(text(byRole(dialog(), "alert"))).toContain("What you entered is still here");
    expect(reason.value).toBe("Take Fractions first.");
    network = true;
    await submit("Refuse");
    expect(sent.at(-1)?.body).toEqual({ status: "refused", reason: "Take Fractions first." });
    expect(text(target)).toContain("No request waits.");
  });

  it("changes the policy, and makes a code", async () => {
    const { target } = await open("teach", "course/how-rivers-work");
    expect(allByRole(target, "button", "Save")).toHaveLength(0);
    await click(target.querySelector<HTMLElement>("input[value=assigned]")!);
    await click(button(target, "Save"));
    expect(sent.at(-1)?.body).toEqual({ enrolment: "assigned", forClasses: false });
    await click(button(target, "Make a code"));
    expect(text(dialog())).toContain("2Z7K-9ABC-DEFG");
  });

  it("shows where learners are, and the results of each question", async () => {
    const { target } = await open("teach", "course/how-rivers-work");
    const results = byRole(target, "region", "Results");
    expect(text(results)).toMatch(/enrolled\s*43/);
    expect(text(results)).toContain("Where rivers begin");
    expect(text(results)).toContain("why-wander");
    expect(text(results)).toContain("32%");
    const { target: other } = await open("teach", "course/the-stars-of-the-south");
    expect(allByRole(other, "region", "Results")).toHaveLength(0);
  });

  it("uploads a package and reads the report in words", async () => {
    const { target } = await open("teach", "courses");
    await click(button(target, "Upload a package"));
    await choose(dialog(), "stars-bad.zip");
    type(dialog().querySelector("textarea") as unknown as HTMLInputElement, "New pictures");
    await submit("Upload and check");
    expect(sent[0]?.path).toBe("/api/v1/admin/courses/uploads?name=stars-bad.zip&notes=New+pictures");
    expect(text(byRole(dialog(), "alert"))).toContain("Correct the errors below");
    const findings = allByRole(dialog(), "listitem").map(text);
    expect(findings).toHaveLength(2);
    expect(findings[0]).toMatch(/^Error meanders\/read\.md:5 the vocabulary has no word/);
    expect(findings[0]).toContain("add it to the vocabulary, or correct the id");
    expect(findings[1]).toMatch(/^Warning images\/sky\.png /);
    await submit("Upload another file");
    await choose(dialog(), "stars.zip");
    await submit("Upload and check");
    expect(text(dialog())).toContain("The package is complete.");
    expect(byRole(dialog(), "link", "Open the course").getAttribute("href")).toBe(
      "#/teach/course/the-stars-of-the-south",
    );
  });

  it("offline keeps the chosen file and the notes", async () => {
    const { target } = await open("teach", "courses");
    await click(button(target, "Upload a package"));
    await choose(dialog(), "stars.zip");
    const notes = dialog().querySelector("textarea")!;
    type(notes as unknown as HTMLInputElement, "New pictures");
    network = false;
    await submit("Upload and check");
    expect(text(byRole(dialog(), "alert"))).toContain("No network");
    expect([notes.isConnected ? notes.value : dialog().querySelector("textarea")!.value]).toEqual(["New pictures"]);
    expect(text(dialog())).toContain("stars.zip");
  });
});

describe("people", () => {
  it("searches after a pause in typing, and filters", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const { target } = await open("administer", "");
      type(target.querySelector("input[type=search]")!, "had");
      type(target.querySelector("input[type=search]")!, "haddad");
      vi.advanceTimersByTime(300);
      await rendered();
      expect(read.filter((path) => path.includes("q="))).toEqual(["/api/v1/admin/people?q=haddad&limit=50"]);
      expect(rows(target)).toEqual([expect.stringContaining("Dalia Haddad")]);
      await change(target.querySelectorAll("select")[0]!, "instructor");
      expect(text(target)).toContain("Nobody found");
      await click(button(target, "Clear the search"));
      expect(rows(target)).toHaveLength(14);
    } finally {
      vi.useRealTimers();
    }
  });

  it("makes a one-time code with a slip for print", async () => {
    const { target } = await open("administer", "");
    await click(button(target, "Asha Mwangi"));
    await click(button(dialog(), "One-time code"));
    const slip = document.querySelector(".print-only")!;
    expect(text(slip)).toContain("Asha Mwangi");
    expect(text(slip)).toContain("asha.mwangi");
    expect(text(slip)).toContain("7K2M-QX4T-9RBD");
  });

  it("changes role and address together, and says why a change was refused", async () => {
    const { target } = await open("administer", "");
    await click(button(target, "Asha Mwangi"));
    const email = dialog().querySelector<HTMLInputElement>("input[type=email]")!;
    type(email, "asha@home.example");
    await change(dialog().querySelector("select")!, "instructor");
    network = false;
    await submit("Save");
    expect(text(byRole(dialog(), "alert"))).toContain("No network");
    expect(email.value).toBe("asha@home.example");
    network = true;
    await submit("Save");
    expect(sent.at(-1)?.body).toEqual({ rank: "instructor", email: "asha@home.example" });
  });

  it("disables and enables an account", async () => {
    const { target, message } = await open("administer", "");
    await click(button(target, "Imani Wanjiru"));
    await submit("Enable the account");
    expect(message()).toContain("Imani Wanjiru can sign in again");
    await submit("Disable the account");
    expect(sent.map((one) => one.body)).toEqual([{ disabled: false }, { disabled: true }]);
  });

  it("saves all data about a person as a file", async () => {
    const { target } = await open("administer", "");
    await click(button(target, "Asha Mwangi"));
    const saved: Blob[] = [];
    URL.createObjectURL = (blob) => (saved.push(blob as Blob), "blob:1");
    URL.revokeObjectURL = () => undefined;
    await click(button(dialog(), "Export all data"));
    await vi.waitFor(() => expect(saved).toHaveLength(1));
    expect(sent.at(-1)?.path).toMatch(/people\/[^/]+\/export$/);
    expect(JSON.parse(await saved[0]!.text())).toMatchObject({ account: [], rows: [] });
    expect(text(document.body)).toMatch(/carrel-asha\.mwangi-\d{4}-\d\d-\d\d\.json/);
  });

  it("deletes only after the login was typed", async () => {
    const { target } = await open("administer", "");
    await click(button(target, "Asha Mwangi"));
    await click(button(dialog(), "Delete the account"));
    const dialogs = [...document.querySelectorAll<HTMLElement>("dialog[open]")];
    const confirm = dialogs.at(-1)!;
    expect(button(confirm, "Delete the account").disabled).toBe(true);
    type(confirm.querySelector("input")!, "asha.mwangi");
    await click(button(confirm, "Delete the account"));
    expect(sent.at(-1)?.method).toBe("DELETE");
    expect(text(document.body)).toContain("was deleted, with 223 entries. The audit log has the receipt.");
    expect(rows(target).some((row) => row.includes("Asha Mwangi"))).toBe(false);
  });

  it("does not offer to change the own role", async () => {
    const { target } = await open("administer", "");
    await click(button(target, "Amina Diallo"));
    expect(dialog().querySelector("select")!.disabled).toBe(true);
    expect(allByRole(dialog(), "button", "Delete the account")).toHaveLength(0);
  });
});

describe("an import", () => {
  it("shows what would change, holds removals, applies what was approved, and undoes", async () => {
    const { target, message } = await open("administer", "import");
    await choose(target, "pupils.csv");
    await click(button(target, "Check the list"));
    expect(sent.map((one) => one.path)).toEqual(["/api/v1/admin/rosters?name=pupils.csv"]);
    expect(text(target)).toContain("What the list would change");
    expect(text(target)).toContain("Nothing has changed yet.");
    const problems = target.querySelector("table")!;
    expect(rows(problems)).toEqual(["14", "20"]);
    expect(text(problems)).toContain("a spreadsheet has shortened the number");
    expect(text(target)).toContain("New people 2");
    expect(button(target, "Apply 5 changes").disabled).toBe(false);
    await click(target.querySelector<HTMLElement>(".held input")!);
    await click(button(target, "Apply 17 changes"));
    expect(sent.at(-1)?.path).toBe("/api/v1/admin/rosters?name=pupils.csv&apply=true&approve=12");
    expect(message()).toContain("5 changes were applied.");
    expect(text(target)).toContain("What the list changed");
    await click(button(target, "Undo the import pupils.csv"));
    await submit("Undo");
    expect(sent.at(-1)?.path).toBe("/api/v1/admin/roster-imports/3/undo");
    expect(message()).toContain("5 changes were taken back.");
  });

  it("refuses a file that is too large before it is sent, and keeps the file offline", async () => {
    const { target } = await open("administer", "import");
    await choose(target, "large.csv", "a".repeat(1024 * 1024 + 1));
    expect(text(byRole(target, "alert"))).toContain("carrel-server roster import");
    expect(button(target, "Check the list").disabled).toBe(true);
    await choose(target, "pupils.csv");
    network = false;
    await click(button(target, "Check the list"));
    expect(text(byRole(target, "alert"))).toContain("No network");
    expect(text(target)).toContain("pupils.csv");
  });
});

describe("messages, log and server", () => {
  it("lists messages with what the mail server said", async () => {
    const { target } = await open("administer", "mail");
    expect(text(target)).toContain("550 5.1.1 no such mailbox");
    const { target: empty } = await open("administer", "mail", "empty");
    expect(text(empty)).toContain("No messages yet");
  });

  it("filters the audit log by action", async () => {
    const { target } = await open("administer", "audit");
    expect(target.querySelectorAll("ol > li")).toHaveLength(4);
    await change(target.querySelector("select")!, "membership.add");
    expect(target.querySelectorAll("ol > li")).toHaveLength(1);
  });

  it("says what is wrong with the server", async () => {
    const { target } = await open("administer", "health", "unhealthy");
    expect(text(target)).toContain("The server needs attention");
    expect(text(target)).toContain("Failed: backup");
    const { target: good } = await open("administer", "health");
    expect(text(good)).toContain("The server works");
  });

  it("offline says that the state of the server is not stored", async () => {
    network = false;
    const { target } = await open("administer", "health");
    expect(text(byRole(target, "alert"))).toContain("The server cannot be reached");
  });
});

it("names a failure of another kind with its reference", async () => {
  const api = fixtureApi("", "administrator");
  const failure = new CommandFailure({
    code: "internal",
    message: "internal",
    hint: "",
    retryable: false,
    correlationId: "7f3a-21",
  });
  useStaffApi({ ...api, get: () => Promise.reject(failure) });
  const screen = show(TeachPages, { path: "courses" });
  close.push(screen.close);
  await rendered();
  expect(text(screen.target)).toContain("For support: 7f3a-21");
});
