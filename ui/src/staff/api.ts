//! Requests of the screens for staff. The app and the browser have an implementation each (`app/appApi.ts`,
//! `web/webApi.ts`); the screens do not know which one is used.
import type { Role } from "../api/types";

export interface StaffUser {
  id: string;
  login: string;
  name: string;
  role: Role;
}
export interface StaffReply<Value> {
  value: Value;
  /** When the server sent it. */
  asOfMs: number;
  /** The server cannot be reached: the reply was stored earlier. */
  isStored: boolean;
}
export type Method = "POST" | "PUT" | "PATCH" | "DELETE";

/** All methods reject with `CommandFailure`. */
export interface StaffApi {
  readonly user: StaffUser;
  /** What was read is stored and shown when the server cannot be reached. */
  readonly keepsReplies: boolean;
  get<Value>(path: string): Promise<StaffReply<Value>>;
  /** Reads a reply as text. */
  getText(path: string): Promise<string>;
  /** Sends a change. The reply is the JSON of the server, or the text of a page. */
  send<Value>(method: Method, path: string, body?: unknown): Promise<Value>;
  /** Sends a file. `onProgress` gets the fraction that was sent. */
  sendFile<Value>(
    path: string,
    file: File,
    contentType: string,
    onProgress: (fraction: number) => void,
    signal: AbortSignal,
  ): Promise<Value>;
}

let current: StaffApi | undefined;

/** Sets the implementation, before a screen is shown and when another person signs in. */
export function useStaffApi(api: StaffApi): void {
  current = api;
}
export function staffApi(): StaffApi {
  if (!current) throw new Error("no implementation of the requests for staff was set");
  return current;
}

/** Returns a path with a query. Values that are empty or undefined are left out. */
export function withQuery(path: string, query: Record<string, string | number | boolean | undefined>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== "" && value !== false) params.set(name, String(value));
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}
