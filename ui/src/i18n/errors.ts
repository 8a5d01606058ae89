//! Error messages for users, selected by error code. The messages of the core are for logs and support.
import { wait } from "./format";
import { t } from "./index.svelte";
import { actionText } from "./network";
import type { CommandFailure } from "../platform/failure";

export interface ErrorText {
  title: string;
  text: string;
}

export function errorText(failure: CommandFailure): ErrorText {
  const { code } = failure;
  const network = code === "offline" ? actionText(failure.error.reason) : undefined;
  if (network) return network;
  const { retryAfterMs } = failure.error;
  const isBusy = code === "rate_limited" || code === "unavailable";
  return {
    title: t(`error.${code}.title`),
    text: isBusy && retryAfterMs ? t("error.retryIn", { span: wait(retryAfterMs) }) : t(`error.${code}.text`),
  };
}
