//! What an error says to a person. Written from the code; the message of the core is for logs and for support.
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
