//! What an error says to a person. Written from the code; the message of the core is for logs and for support.
import { t } from "./i18n/index.svelte";
import type { CommandFailure } from "./platform/failure";

export interface Plain {
  title: string;
  text: string;
}

export function plain(failure: CommandFailure): Plain {
  const { code } = failure;
  return { title: t(`error.${code}.title`), text: t(`error.${code}.text`) };
}
