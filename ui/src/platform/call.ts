//! Runs commands of the core. Does not select the host (transport.ts).
import type { Topic } from "../api/types";
import { asFailure } from "./failure";
import { measureAction, nextAction } from "./measure";
import { transport } from "./transport";

/** Runs a command of the core. Throws `CommandFailure`. */
export async function call<Reply>(name: string, request: unknown): Promise<Reply> {
  const host = await transport();
  const action = nextAction();
  const start = performance.now();
  try {
    return (await host.call(name, request, action)) as Reply;
  } catch (cause) {
    throw asFailure(cause);
  } finally {
    measureAction(name, action, performance.now() - start);
  }
}

/** For each topic that makes a reply stale: the request field with the affected id, or `true` for every id. */
export type StaleOn<Request> = { readonly [Name in Topic["topic"]]?: true | (keyof Request & string) };

/** A read command, with the topics that make its reply stale. The generated client declares all queries. */
export interface Query<Request, Reply> {
  (...request: Record<string, never> extends Request ? [request?: Request] : [request: Request]): Promise<Reply>;
  /** The command's name. */
  readonly command: string;
  /** Whether the reply to `request` may differ after a change of `topic`. */
  isStale(topic: Topic, request: Request): boolean;
}

export function query<Request, Reply>(command: string, staleOn: StaleOn<Request>): Query<Request, Reply> {
  const isStale = (topic: Topic, request: Request): boolean => {
    const field = staleOn[topic.topic];
    if (field === undefined || field === true) return field === true;
    const changed = "root" in topic ? topic.root : "course" in topic ? topic.course : "";
    // An empty id means every course and story.
    return changed === "" || changed === String(request[field]).split("/")[0];
  };
  return Object.assign((request?: Request) => call<Reply>(command, request ?? {}), { command, isStale });
}
