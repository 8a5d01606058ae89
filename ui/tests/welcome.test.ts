import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Account } from "../src/api/types";
import Welcome from "../src/features/welcome/Welcome.svelte";
import { CommandFailure } from "../src/platform/failure";
import { amina, idle, stateOf, yusuf } from "../src/platform/fixture/accounts";
import { appState } from "../src/state/appState.svelte";
import { allByRole, byRole, change, click, rendered, fail, scriptPlatform, show, text, type } from "./support";

const platform = scriptPlatform();
let close: () => void;

/** Opens the screen for this account, or without an account as on a new device. */
async function open(account: Account | null = null) {
  await appState.replace(stateOf(account, idle, account ? [account] : []));
  const screen = show(Welcome, {});
  close = screen.close;
  await rendered();
  return screen.target;
}
const field = (target: Element, name: string) => byRole<HTMLInputElement>(target, "textbox", name);
const address = (target: Element) => field(target, "Server address");
const login = (target: Element) => field(target, "User name");
/** A password field has no role. */
const password = (target: Element) => target.querySelector<HTMLInputElement>("input[type=password]")!;
const press = (target: Element, name: string) => click(byRole(target, "button", name));

async function connect(target: Element, typed: string): Promise<void> {
  type(address(target), typed);
  await press(target, "Connect");
}
/** Opens the sign-in form and fills in these values. */
async function openForm(name: string, secret: string): Promise<HTMLElement> {
  const target = await open();
  await connect(target, "school.example");
  type(login(target), name);
  type(password(target), secret);
  return target;
}

beforeAll(() => appState.load());
beforeEach(() => {
  platform.replies = {};
  platform.calls = [];
  location.hash = "#/welcome";
});
afterEach(() => close());

describe("the address of the server", () => {
  it("is required", async () => {
    const target = await open();
    for (const blank of ["", "  "]) {
      await connect(target, blank);
      expect(document.activeElement).toBe(address(target));
    }
    expect(platform.requests("check_server")).toEqual([]);
  });

  it.each([
    ["offline", "No Carrel server answers at nowhere.example. Check the address, and that this device"],
    ["not_found", "No Carrel server answers at nowhere.example. Check the address, and that this device"],
    ["bad_reply", "No Carrel server answers at nowhere.example. The response did not come from a Carrel server."],
    ["invalid_request", "“nowhere.example” is not an address. Type it as your school wrote it, without spaces"],
  ] as const)("stays in its field, with the error, if the check fails ('%s')", async (code, words) => {
    platform.replies["check_server"] = () => fail(code);
    const target = await open();
    await connect(target, "nowhere.example");
    expect(text(byRole(target, "alert"))).toContain(words);
    expect([address(target).value, address(target).getAttribute("aria-invalid")]).toEqual(["nowhere.example", "true"]);
    expect(document.activeElement).toBe(address(target));
    const described = address(target).getAttribute("aria-describedby")!.split(" ");
    expect(described.map((id) => target.querySelector(`#${id}`)?.role)).toContain("alert");
    expect(byRole<HTMLButtonElement>(target, "button", "Connect").disabled).toBe(false);
  });

  it("opens the sign-in form of the server and is kept when the user returns", async () => {
    const target = await open();
    platform.replies["check_server"] = () => fail("offline");
    await connect(target, " school.example ");
    platform.replies = {};
    await press(target, "Connect");
    expect(platform.requests("check_server").at(-1)).toEqual({ address: "school.example" });
    expect(allByRole(target, "alert")).toEqual([]);
    expect(text(target)).toContain("Lakeside School");
    expect(document.activeElement).toBe(login(target));
    await press(target, "Use another server");
    expect(address(target).value).toBe(" school.example ");
    expect(allByRole(target, "alert")).toEqual([]);
  });
});

describe("signing in", () => {
  it.each([
    [
      "bad_credentials",
      "Wrong user name or password. Check both; capital letters count in the password. If you forgot it",
    ],
    ["offline", "No network. The server cannot be reached."],
    ["rate_limited", "Too many attempts. Try again later."],
    ["keychain", "Unlock it, then try again."],
  ] as const)("that fails ('%s') shows the error, keeps the input and focuses the password", async (code, words) => {
    platform.replies["sign_in"] = () => fail(code);
    const target = await openForm("amina", "a wrong password");
    await press(target, "Sign in");
    expect(text(byRole(target, "alert"))).toContain(words);
    expect([login(target).value, password(target).value]).toEqual(["amina", "a wrong password"]);
    expect(document.activeElement).toBe(password(target));
    expect(location.hash).toBe("#/welcome");
  });

  it("removes the error on the next attempt", async () => {
    platform.replies["sign_in"] = () => fail("bad_credentials");
    const target = await openForm("amina", "a wrong password");
    await press(target, "Sign in");
    platform.replies["sign_in"] = () => new Promise(() => undefined);
    await press(target, "Sign in");
    expect(allByRole(target, "alert")).toEqual([]);
    expect(byRole<HTMLButtonElement>(target, "button", "Signing in").disabled).toBe(true);
  });

  it.each([
    ["", "", () => login],
    ["amina", "", () => password],
    ["  ", "a password", () => login],
  ])(
    "with the name '%s' and the password '%s' sends nothing and focuses the empty field",
    async (name, secret, empty) => {
      const target = await openForm(name, secret);
      await press(target, "Sign in");
      expect(platform.requests("sign_in")).toEqual([]);
      const wrong = empty()(target);
      expect(wrong.getAttribute("aria-invalid")).toBe("true");
      expect(text(target.querySelector(`#${wrong.getAttribute("aria-describedby")}`)!)).toBe("This field is required.");
      expect(document.activeElement).toBe(wrong);
    },
  );

  it("opens the library with the account", async () => {
    platform.replies["sign_in"] = () => stateOf(amina, idle, [amina]);
    const target = await openForm(" amina ", " the password ");
    await press(target, "Sign in");
    expect(platform.requests("sign_in")).toEqual([
      { address: "https://school.example", login: "amina", password: " the password " },
    ]);
    expect(location.hash).toBe("#/");
    expect(appState.app.account?.id).toBe(amina.id);
    expect(password(target).value).toBe("");
  });

  it("again fills in the server and the user name of the account, and focuses the password", async () => {
    const target = await open(yusuf);
    expect(text(target)).toContain("Lakeside School");
    expect(text(target)).toContain("Unsent work is kept on this device");
    expect(login(target).value).toBe("yusuf");
    expect(document.activeElement).toBe(password(target));
    // Only whether it has a sign-in in the browser is asked; the form does not wait for the reply.
    expect(platform.requests("check_server")).toEqual([{ address: yusuf.server }]);
    // The server may have moved.
    await press(target, "Use another server");
    expect(address(target).value).toBe("https://school.example");
    await press(target, "Connect");
    expect(login(target).value).toBe("yusuf");
  });
});

describe("a server that asks to wait", () => {
  it("shows the time after a sign-in", async () => {
    platform.replies["sign_in"] = () => {
      throw new CommandFailure({
        code: "rate_limited",
        message: "",
        hint: "",
        retryable: true,
        correlationId: "",
        retryAfterMs: 61_000,
      });
    };
    const target = await openForm("amina", "a wrong password");
    await press(target, "Sign in");
    expect(text(byRole(target, "alert"))).toBe("Too many attempts. Try again in 61 sec.");
  });
});

describe("creating an account", () => {
  const openRegistration = async (secret: string): Promise<HTMLElement> => {
    const target = await openForm("amina", secret);
    await press(target, "I have no account yet");
    type(field(target, "Display name"), "Amina Diallo");
    return target;
  };
  it("with a taken user name shows an error, keeps the input and focuses the user name", async () => {
    const target = await openRegistration("a good password");
    platform.replies["register"] = () => fail("conflict");
    await press(target, "Create an account");
    expect(text(byRole(target, "alert"))).toBe("This user name is taken. Choose another, or sign in if it is yours.");
    expect([login(target).value, field(target, "Display name").value]).toEqual(["amina", "Amina Diallo"]);
    expect(document.activeElement).toBe(login(target));
  });
  it("with characters that are not allowed says which are", async () => {
    const target = await openRegistration("a good password");
    platform.replies["register"] = () => fail("invalid_request");
    await press(target, "Create an account");
    expect(text(byRole(target, "alert"))).toContain("no field may contain invisible characters");
  });

  it("requires a password of 8 characters, and focuses it", async () => {
    const target = await openRegistration("short");
    await press(target, "Create an account");
    expect(platform.requests("register")).toEqual([]);
    expect(text(target)).toContain("The password needs at least 8 characters.");
    expect(document.activeElement).toBe(password(target));
  });

  it("opens the library with the new account", async () => {
    const target = await openRegistration("a good password");
    platform.replies["register"] = () => stateOf(amina, idle, [amina]);
    await press(target, "Create an account");
    expect(platform.requests("register")).toEqual([
      { address: "https://school.example", login: "amina", name: "Amina Diallo", password: "a good password" },
    ]);
    expect(location.hash).toBe("#/");
  });
});

describe("language and theme before there is an account", () => {
  const radio = (target: Element, name: string) => byRole<HTMLInputElement>(target, "radio", name);
  beforeEach(() => localStorage.clear());
  afterEach(async () => {
    localStorage.clear();
    await appState.replace(stateOf(null, idle, []));
  });
  const chosen = async (target: Element, name: string, title: string): Promise<void> => {
    await click(radio(target, name));
    await expect.poll(() => allByRole(target, "heading", title).length, { timeout: 5000 }).toBe(1);
  };

  it("are applied at once, kept on this device, and not sent to the core", async () => {
    const target = await open();
    await chosen(target, "Français", "Apprenez partout, en ligne ou hors ligne");
    await change(byRole<HTMLSelectElement>(target, "combobox", "Thème"), "night");
    expect([document.documentElement.lang, document.documentElement.dataset["theme"]]).toEqual(["fr", "night"]);
    expect(platform.requests("set_settings")).toEqual([]);
    close();
    const again = await open();
    expect(radio(again, "Français").checked).toBe(true);
    expect(byRole<HTMLSelectElement>(again, "combobox", "Thème").value).toBe("night");
  });

  it("become settings of an account that has none of its own", async () => {
    const target = await open();
    await chosen(target, "Français", "Apprenez partout, en ligne ou hors ligne");
    await appState.replace(stateOf(amina, idle, [amina]));
    expect(platform.requests("set_settings")).toEqual([{ language: "fr" }]);
  });

  it("do not replace the settings of an account", async () => {
    const target = await open();
    await chosen(target, "Français", "Apprenez partout, en ligne ou hors ligne");
    const state = stateOf(amina, idle, [amina]);
    await appState.replace({ ...state, settings: { ...state.settings, language: "en" } });
    expect(platform.requests("set_settings")).toEqual([]);
    expect(document.documentElement.lang).toBe("en");
  });

  it("are not offered beside an account", async () => {
    expect(allByRole(await open(amina), "radio")).toEqual([]);
  });

  it.each(["{", "null", "7", '{"language":"xx","theme":"pink"}'])(
    "ignore damaged stored values (%s)",
    async (stored) => {
      localStorage.setItem("carrel.device", stored);
      expect(radio(await open(), "English").checked).toBe(true);
    },
  );
});

describe("starting without an account", () => {
  it("opens the demo library", async () => {
    const target = await open();
    await press(target, "Open the demo library");
    expect(platform.requests("open_demo")).toHaveLength(1);
    expect(location.hash).toBe("#/");
  });

  it("shows the error if the demo library does not open", async () => {
    platform.replies["open_demo"] = () => fail("disk_full");
    const target = await open();
    await press(target, "Open the demo library");
    expect(text(byRole(target, "alert"))).toContain("The disk is full.");
    expect(address(target).getAttribute("aria-invalid")).toBeNull();
    expect(location.hash).toBe("#/welcome");
  });
});
