import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { OpenRequestView, ServerInfo } from "../src/api/types";
import OpenRequests from "../src/app/OpenRequests.svelte";
import SignInForm from "../src/features/welcome/SignInForm.svelte";
import { amina, idle, stateOf } from "../src/platform/fixture/accounts";
import { appState } from "../src/state/appState.svelte";
import { router } from "../src/state/router.svelte";
import { byRole, click, fail, rendered, scriptPlatform, show, text, type } from "./support";

const platform = scriptPlatform();
let close: () => void;
const server: ServerInfo = {
  address: "https://school.example",
  name: "Lakeside School",
  version: "0.1.0",
  registrationOpen: false,
  externalSignIn: "School account",
  passwordReset: false,
  clockAheadMs: 0,
};
const link: OpenRequestView = { kind: "sign_in", server: "https://school.example", code: "2Z2Z-9ABC-DEFG" };
const press = (target: Element, name: string) => click(byRole(target, "button", name));

async function form(props: object = {}): Promise<HTMLElement> {
  const screen = show(SignInForm, { server, login: "", onback: () => undefined, ...props });
  close = screen.close;
  await rendered();
  return screen.target;
}

beforeAll(() => appState.load());
beforeEach(async () => {
  platform.calls = [];
  platform.replies = {
    begin_browser_sign_in: () => ({ url: "https://school.example/api/auth/oidc/start?challenge=c" }),
    finish_browser_sign_in: () => stateOf(amina, idle, [amina]),
    cancel_browser_sign_in: () => ({}),
    take_open_requests: () => ({ requests: [] }),
  };
  await appState.replace(stateOf(null, idle, []));
  location.hash = "#/welcome";
});
afterEach(() => close());

describe("sign-in in the browser", () => {
  it("is offered if the server has it, beside the password", async () => {
    const target = await form();
    expect(byRole(target, "button", "School account")).toBeTruthy();
    expect(text(target)).toContain("Or with a user name and password of this server:");
    close();
    const { externalSignIn: _, ...without } = server;
    const plain = await form({ server: without });
    expect(text(plain)).not.toContain("School account");
    close();
    // The organisation allows no passwords.
    const only = await form({ allowsPassword: false });
    expect(only.querySelector("#password")).toBeNull();
  });

  it("waits for the browser, and takes the code that it shows", async () => {
    const target = await form({ token: "a1" });
    await press(target, "School account");
    await rendered();
    expect(platform.requests("begin_browser_sign_in")).toEqual([{ address: server.address, enrolmentToken: "a1" }]);
    expect(text(target)).toContain("Continue in your browser.");
    expect(text(target)).toContain("https://school.example/api/auth/oidc/start?challenge=c");
    expect(target.querySelector("#password")).toBeNull();
    await press(target, "Sign in");
    expect(text(target)).toContain("This field is required.");
    platform.replies.finish_browser_sign_in = () => fail("bad_credentials");
    type(target.querySelector<HTMLInputElement>("#browser-code")!, " 2z2z 9abc defg ");
    await press(target, "Sign in");
    await rendered();
    expect(text(target)).toContain("The code is wrong, has expired or was used.");
    platform.replies.finish_browser_sign_in = () => stateOf(amina, idle, [amina]);
    await press(target, "Sign in");
    await rendered();
    expect(platform.requests("finish_browser_sign_in").at(-1)).toEqual({ code: "2z2z 9abc defg" });
    expect(appState.app.account?.id).toBe(amina.id);
    expect(router.route.name).toBe("library");
  });

  it("is forgotten when it is cancelled or left", async () => {
    const target = await form();
    await press(target, "School account");
    await rendered();
    await press(target, "Cancel");
    await rendered();
    expect(platform.requests("cancel_browser_sign_in")).toHaveLength(1);
    expect(target.querySelector("#password")).not.toBeNull();
    await press(target, "School account");
    await rendered();
    close();
    close = () => undefined;
    await rendered();
    expect(platform.requests("cancel_browser_sign_in")).toHaveLength(2);
  });
});

describe("a link of the browser", () => {
  it("finishes the sign-in", async () => {
    platform.replies.take_open_requests = () => ({
      requests: platform.requests("finish_browser_sign_in").length ? [] : [link],
    });
    const screen = show(OpenRequests, {});
    close = screen.close;
    await rendered();
    await rendered();
    expect(platform.requests("finish_browser_sign_in")).toEqual([{ code: link.code }]);
    expect(appState.app.account?.id).toBe(amina.id);
    expect(screen.target.querySelector("dialog")).toBeNull();
  });

  it("that belongs to no sign-in of this device says so", async () => {
    platform.replies.finish_browser_sign_in = () => fail("invalid_request");
    platform.replies.take_open_requests = () => ({ requests: [link] });
    const screen = show(OpenRequests, {});
    close = screen.close;
    await rendered();
    await rendered();
    expect(text(screen.target)).toContain("The link belongs to no sign-in that began on this device");
    expect(appState.app.account).toBeNull();
    await click(screen.target.querySelector<HTMLButtonElement>(".row button")!);
    await rendered();
    expect(screen.target.querySelector("dialog")).toBeNull();
  });
});

describe("a forgotten password", () => {
  const withMail = { ...server, passwordReset: true };
  const dialog = (): HTMLElement => document.querySelector("dialog")!;

  it("is offered only by a server that sends mail", async () => {
    const without = await form();
    expect(text(without)).not.toContain("Forgot your password?");
    close();
    const target = await form({ server: withMail });
    expect(byRole(target, "button", "Forgot your password?")).toBeTruthy();
  });

  it("requests a link for the typed user name, and says what follows", async () => {
    platform.replies.request_password_reset = () => ({});
    const target = await form({ server: withMail, login: "amina" });
    await press(target, "Forgot your password?");
    const field = dialog().querySelector<HTMLInputElement>("#reset-login")!;
    expect(field.value).toBe("amina");
    type(field, "  ");
    await press(dialog(), "Send the link");
    expect(text(dialog())).toContain("This field is required.");
    expect(platform.requests("request_password_reset")).toEqual([]);
    type(field, " amina@school.example ");
    await press(dialog(), "Send the link");
    expect(platform.requests("request_password_reset")).toEqual([
      { address: server.address, login: "amina@school.example", language: "en" },
    ]);
    expect(text(byRole(dialog(), "status"))).toContain("a message is on its way");
  });

  it("keeps what was typed if the request fails", async () => {
    platform.replies.request_password_reset = () => fail("offline");
    const target = await form({ server: withMail, login: "amina" });
    await press(target, "Forgot your password?");
    await press(dialog(), "Send the link");
    expect(byRole(dialog(), "alert")).toBeTruthy();
    expect(dialog().querySelector<HTMLInputElement>("#reset-login")!.value).toBe("amina");
  });
});
