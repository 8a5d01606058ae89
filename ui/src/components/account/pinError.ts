//! Messages of a PIN that was not accepted.
import { errorText } from "../../i18n/errors";
import { playTime } from "../../i18n/format";
import { t } from "../../i18n/index.svelte";
import type { CommandFailure } from "../../platform/failure";

/** Returns the message of a failure; `waitMs`: the time that remains of its delay. */
export function pinMessage(failure: CommandFailure, waitMs: number): string {
  switch (failure.error.reason) {
    case "pin_wrong":
    case "pin_wait":
      return waitMs > 0 ? t("pin.wait", { span: playTime(Math.ceil(waitMs / 1000)) }) : t("pin.wrong");
    case "pin_invalid":
    case "pin_required":
      return t("pin.invalid");
    default: {
      const { title, text } = errorText(failure);
      return `${title}. ${text}`;
    }
  }
}
