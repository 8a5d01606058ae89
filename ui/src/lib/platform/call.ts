import { asFailure } from "./failure";
import { transport } from "./transport";

/** Runs a command of the core. Throws `CommandFailure`. */
export async function call<Reply>(name: string, request: unknown): Promise<Reply> {
  try {
    return (await (await transport()).call(name, request)) as Reply;
  } catch (cause) {
    throw asFailure(cause);
  }
}
