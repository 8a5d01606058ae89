//! The error type of failed commands.
import type { CommandError, ErrorCode } from "../api/types";

/** A failed command. The message for users is selected by `error.code` (i18n/errors.ts). */
export class CommandFailure extends Error {
  constructor(readonly error: CommandError) {
    super(error.message);
    this.name = "CommandFailure";
  }
  get code(): ErrorCode {
    return this.error.code;
  }
}

function isCommandError(value: unknown): value is CommandError {
  return typeof value === "object" && value !== null && typeof (value as CommandError).code === "string";
}

/** Converts any thrown or returned error to a `CommandFailure`. `code` is used if the error has none. */
export function asFailure(cause: unknown, code: ErrorCode = "internal"): CommandFailure {
  if (cause instanceof CommandFailure) return cause;
  if (isCommandError(cause)) {
    return new CommandFailure({
      ...cause,
      message: cause.message ?? cause.code,
      hint: cause.hint ?? "",
      retryable: cause.retryable ?? false,
      correlationId: cause.correlationId ?? "",
    });
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return new CommandFailure({ code, message, hint: "", retryable: code === "unavailable", correlationId: "" });
}
