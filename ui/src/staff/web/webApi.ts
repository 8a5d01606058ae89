//! Requests of the pages in a browser: the server's API with the tokens of a sign-in. Tokens are kept in the memory and
//! in the session storage of the tab, so that a reload does not sign out; they end with the tab or with signing out.
import type { UserInfo } from "../../api/types";
import { asFailure, CommandFailure } from "../../platform/failure";
import type { Method, StaffApi, StaffReply } from "../api";

const STORE = "carrel.staff.session";

interface Tokens {
  accessToken: string;
  refreshToken: string;
  user: UserInfo;
}

/** Returns the address of a path of the server, of which this page is at `staff/`. */
export function addressOf(path: string, page = location.href): string {
  return new URL(`..${path}`, new URL(".", page)).href;
}

function stored(): Tokens | undefined {
  try {
    const tokens = JSON.parse(sessionStorage.getItem(STORE) ?? "null") as Tokens | null;
    return typeof tokens?.accessToken === "string" && typeof tokens.refreshToken === "string" ? tokens : undefined;
  } catch {
    return undefined;
  }
}
function store(tokens: Tokens | undefined): void {
  try {
    if (tokens) sessionStorage.setItem(STORE, JSON.stringify(tokens));
    else sessionStorage.removeItem(STORE);
  } catch {
    // Without storage, a reload signs out.
  }
}

/** A random id of this tab, as a device. */
function deviceId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

async function request(path: string, init: RequestInit): Promise<Response> {
  try {
    // Nothing about people is kept on the disk of a shared computer.
    return await fetch(addressOf(path), { credentials: "omit", cache: "no-store", ...init });
  } catch (cause) {
    throw asFailure(cause, "offline");
  }
}

/** Returns the failure that a reply describes. */
async function failureOf(response: Response): Promise<CommandFailure> {
  const problem = (await response.json().catch(() => null)) as { code?: string; detail?: string } | null;
  if (typeof problem?.code === "string") return asFailure({ ...problem, message: problem.detail ?? problem.code });
  return asFailure(`status ${response.status}`, response.status >= 500 ? "unavailable" : "bad_reply");
}

const JSON_TYPE = { "content-type": "application/json" };

export class WebSession {
  #tokens: Tokens | undefined = stored();
  #refreshing: Promise<void> | undefined;
  /** Called when the sign-in ended on the server. */
  onended: () => void = () => undefined;

  /** Returns the name of the server; empty if it cannot be read. */
  async serverName(): Promise<string> {
    try {
      const meta = (await (await request("/api/meta", {})).json()) as { name?: string };
      return meta.name ?? "";
    } catch {
      return "";
    }
  }
  get user(): UserInfo | undefined {
    return this.#tokens?.user;
  }
  #set(tokens: Tokens | undefined): void {
    this.#tokens = tokens;
    store(tokens);
  }

  async signIn(login: string, password: string): Promise<UserInfo> {
    const body = JSON.stringify({ login, password, deviceId: deviceId(), deviceName: "browser" });
    const response = await request("/api/auth/login", { method: "POST", headers: JSON_TYPE, body });
    if (!response.ok) throw await failureOf(response);
    const tokens = (await response.json()) as Tokens;
    this.#set(tokens);
    return tokens.user;
  }
  /** Ends the sign-in, on the server too if it can be reached. */
  async signOut(): Promise<void> {
    const refreshToken = this.#tokens?.refreshToken;
    this.#set(undefined);
    if (!refreshToken) return;
    const body = JSON.stringify({ refreshToken });
    await request("/api/auth/logout", { method: "POST", headers: JSON_TYPE, body }).catch(() => undefined);
  }

  /** Renews the tokens, once for all requests that wait for it. */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#renew().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }
  async #renew(): Promise<void> {
    const tokens = this.#tokens;
    if (!tokens) throw asFailure("not signed in", "unauthenticated");
    const body = JSON.stringify({ refreshToken: tokens.refreshToken });
    const response = await request("/api/auth/refresh", { method: "POST", headers: JSON_TYPE, body });
    if (response.ok) {
      this.#set({ ...tokens, ...((await response.json()) as Tokens) });
      return;
    }
    const failure = await failureOf(response);
    if (response.status === 401 || response.status === 403) this.end();
    throw failure;
  }
  end(): void {
    this.#set(undefined);
    this.onended();
  }

  /** Runs a request with the access token; renews it once if it has expired. */
  async withToken<Reply extends { status: number }>(run: (token: string) => Promise<Reply>): Promise<Reply> {
    const before = this.#tokens?.accessToken ?? "";
    const reply = await run(before);
    if (reply.status !== 401) return reply;
    if (this.#tokens?.accessToken === before) await this.#refresh();
    const again = await run(this.#tokens?.accessToken ?? "");
    if (again.status === 401) this.end();
    return again;
  }
}

export function webApi(session: WebSession, user: UserInfo): StaffApi {
  const send = (path: string, init: RequestInit): Promise<Response> =>
    session.withToken((token) =>
      request(path, { ...init, headers: { ...(init.headers as object), authorization: `Bearer ${token}` } }),
    );
  const read = async (response: Response): Promise<unknown> => {
    const type = response.headers.get("content-type") ?? "";
    if (type.startsWith("application/json")) return response.json();
    const text = await response.text();
    return text === "" ? null : text;
  };
  return {
    user,
    keepsReplies: false,
    async get<Value>(path: string): Promise<StaffReply<Value>> {
      const response = await send(path, { headers: { accept: "application/json" } });
      const isHealth = path === "/health" && response.status === 503;
      if (!response.ok && !isHealth) throw await failureOf(response);
      return { value: (await read(response)) as Value, asOfMs: Date.now(), isStored: false };
    },
    async getText(path) {
      const response = await send(path, {});
      if (!response.ok) throw await failureOf(response);
      return response.text();
    },
    async send<Value>(method: Method, path: string, body?: unknown): Promise<Value> {
      const content = body === undefined ? {} : { headers: JSON_TYPE, body: JSON.stringify(body) };
      const response = await send(path, { method, ...content });
      if (!response.ok) throw await failureOf(response);
      return (await read(response)) as Value;
    },
    async sendFile<Value>(
      path: string,
      file: File,
      contentType: string,
      onProgress: (fraction: number) => void,
      signal: AbortSignal,
    ): Promise<Value> {
      // `fetch` does not report the progress of what is sent.
      const post = (token: string): Promise<{ status: number; response: Response }> =>
        new Promise((resolve, reject) => {
          const sender = new XMLHttpRequest();
          sender.open("POST", addressOf(path));
          sender.setRequestHeader("authorization", `Bearer ${token}`);
          sender.setRequestHeader("content-type", contentType);
          sender.upload.onprogress = (e) => e.lengthComputable && onProgress(e.loaded / e.total);
          sender.onload = () => {
            const type = sender.getResponseHeader("content-type") ?? "";
            const body = sender.status === 204 ? null : sender.responseText;
            const response = new Response(body, { status: sender.status, headers: { "content-type": type } });
            resolve({ status: sender.status, response });
          };
          sender.onerror = () => reject(asFailure("the file was not sent", "offline"));
          sender.onabort = () => reject(asFailure("cancelled", "cancelled"));
          signal.addEventListener("abort", () => sender.abort(), { once: true });
          sender.send(file);
        });
      const { response } = await session.withToken(post);
      if (!response.ok) throw await failureOf(response);
      return (await read(response)) as Value;
    },
  };
}
