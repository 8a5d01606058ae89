//! Error messages for staff, by error code.
import { errorText, type ErrorText } from "../i18n/errors";
import { actionText } from "../i18n/network";
import type { CommandFailure } from "../platform/failure";
import { staffApi } from "./api";
import { hasStaffMessage, s } from "./messages.svelte";

/** What an error means for somebody who reads. */
export function readErrorText(failure: CommandFailure): ErrorText {
  if (failure.code === "offline" && !staffApi().keepsReplies)
    return { title: s("error.offline.web.title"), text: s("error.offline.web.text") };
  return actionText(failure.error.reason) ?? textOf(failure, "read");
}
/** What an error means for somebody who changes something. */
export function changeErrorText(failure: CommandFailure): ErrorText {
  return actionText(failure.error.reason) ?? textOf(failure, "change");
}
function textOf(failure: CommandFailure, what: "read" | "change"): ErrorText {
  for (const key of [`error.${failure.code}.${what}`, `error.${failure.code}`])
    if (hasStaffMessage(`${key}.title`) && hasStaffMessage(`${key}.text`))
      return { title: s(`${key}.title` as never), text: s(`${key}.text` as never) };
  return errorText(failure);
}

/** The server's own description, in English, if it says more than the message. */
export function detailOf(failure: CommandFailure): string {
  if (!["invalid_request", "conflict", "not_found", "too_large"].includes(failure.code)) return "";
  return failure.error.message.replace(/^server: \d+ \w+: /, "");
}
