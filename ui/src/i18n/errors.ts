//! Error messages for users, selected by error code. The messages of the core are for logs and support.
import { t } from "./index.svelte";
import type { CommandFailure } from "../platform/failure";

export interface ErrorText {
  title: string;
  text: string;
}

export function errorText(failure: CommandFailure): ErrorText {
  const { code } = failure;
  return { title: t(`error.${code}.title`), text: t(`error.${code}.text`) };
}
