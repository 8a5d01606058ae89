import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { setLanguage } from "../src/i18n/index.svelte";
import { CommandFailure } from "../src/platform/failure";
import { loadStaffMessages } from "../src/staff/messages.svelte";
import { addressOf, webApi, WebSession } from "../src/staff/web/webApi";
import WebApp from "../src/staff/web/WebApp.svelte";
import { button, click, rendered, show, text, type } from "./support";

const user = { id: "u1", login: "ada", name: "Ada", role: "administrator" as const };
const STORE = "carrel.staff.session";
interface Call {
  path: string;
  method: string;
  authorization: string | null;
}
let calls: Call[] = [];
let answer: (call: Call) => { status: number; body?: unknown };

beforeAll(async () => {
  await setLanguage("en");
  await loadStaffMessages();
});
beforeEach(() => {
  calls = [];
  sessionStorage.clear();
  answer = ({ path }) => {
    if (path === "/api/auth/login") return { status: 200, body: { user, accessToken: "a1", refreshToken: "r1" } };
    if (path === "/api/auth/refresh") return { status: 200, body: { user, accessToken: "a2", refreshToken: "r2" } };
    if (path === "/api/meta") return { status: 200, body: { name: "Rivers School" } };
    return { status: 200, body: [] };
  };
  vi.stubGlobal("fetch", (url: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    const path = new URL(url).pathname;
    const call = { path, method: init.method ?? "GET", authorization: headers.get("authorization") };
    calls.push(call);
    const { status, body } = answer(call);
    if (status === 0) return Promise.reject(new TypeError("no network"));
    const text = body === undefined ? null : JSON.stringify(body);
    const isProblem = typeof (body as { code?: string } | undefined)?.code === "string";
    const type = isProblem ? "application/problem+json" : "application/json";
    return Promise.resolve(new Response(text, { status, headers: { "content-type": type } }));
  });
});
afterEach(() => vi.unstubAllGlobals());

const problem = (status: number, code: string) => ({ status, body: { code, detail: code } });
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "ok",
    (cause: unknown) => (cause as CommandFailure).code,
  );
async function signedIn(): Promise<WebSession> {
  const session = new WebSession();
  await session.signIn("ada", "secret");
  return session;
}

it("requests go to the server or tenant below which the page is", () => {
  expect(addressOf("/api/meta", "https://a.example/staff/#/teach")).toBe("https://a.example/api/meta");
  expect(addressOf("/api/meta", "https://a.example/t/rivers/staff/")).toBe("https://a.example/t/rivers/api/meta");
});

describe("a session in a browser", () => {
  it("survives a reload of the tab, and not signing out", async () => {
    await signedIn();
    const reloaded = new WebSession();
    expect(reloaded.user).toEqual(user);
    await reloaded.signOut();
    expect(calls.at(-1)).toMatchObject({ path: "/api/auth/logout", method: "POST" });
    expect(sessionStorage.getItem(STORE)).toBeNull();
    expect(new WebSession().user).toBeUndefined();
  });

  it("renews an expired token once for all requests that wait", async () => {
    const session = await signedIn();
    const before = answer;
    answer = (call) => (call.authorization === "Bearer a1" ? problem(401, "unauthenticated") : before(call));
    const api = webApi(session, user);
    await Promise.all([api.get("/api/v1/admin/classes"), api.get("/api/v1/admin/courses")]);
    expect(calls.filter((call) => call.path === "/api/auth/refresh")).toHaveLength(1);
    expect(calls.filter((call) => call.authorization === "Bearer a2")).toHaveLength(2);
  });

  it("ends when the server refuses to renew it, and not while the server cannot be reached", async () => {
    const session = await signedIn();
    const api = webApi(session, user);
    let ended = 0;
    session.onended = () => ended++;
    answer = () => ({ status: 0 });
    expect(await codeOf(api.get("/api/v1/admin/classes"))).toBe("offline");
    expect([ended, session.user]).toEqual([0, user]);
    answer = () => problem(401, "unauthenticated");
    expect(await codeOf(api.get("/api/v1/admin/classes"))).toBe("unauthenticated");
    expect([ended, session.user]).toEqual([1, undefined]);
  });

  it("passes on refusals of the server, and an unhealthy state as data", async () => {
    const api = webApi(await signedIn(), user);
    answer = () => problem(409, "conflict");
    expect(await codeOf(api.send("PATCH", "/api/v1/admin/people/x", {}))).toBe("conflict");
    answer = () => ({ status: 503, body: { ok: false } });
    expect((await api.get<{ ok: boolean }>("/health")).value.ok).toBe(false);
    expect(await codeOf(api.get("/api/v1/admin/audit"))).toBe("unavailable");
  });
});

it("the page signs in, shows the areas of the role, and signs out", async () => {
  location.hash = "#/teach";
  const { target, close } = show(WebApp, { session: new WebSession() });
  await rendered();
  expect(text(target)).toContain("For teachers and administrators of Rivers School.");
  answer = ({ path }) => (path === "/api/auth/login" ? problem(401, "bad_credentials") : { status: 200, body: [] });
  type(target.querySelector("#login")!, "ada");
  type(target.querySelector("#password")!, "wrong");
  await click(button(target, "Sign in"));
  expect(text(target)).toContain("Wrong user name or password");
  expect(target.querySelector<HTMLInputElement>("#password")!.value).toBe("wrong");
  answer = ({ path }) =>
    path === "/api/auth/login"
      ? { status: 200, body: { user, accessToken: "a1", refreshToken: "r1" } }
      : { status: 200, body: [] };
  await click(button(target, "Sign in"));
  expect(text(target)).toContain("No classes yet");
  expect([...target.querySelectorAll(".top nav a")].map(text)).toEqual(["Teach", "Administer"]);
  await click(button(target, "Sign out"));
  expect(text(target)).toContain("Password or one-time code");
  close();
});
