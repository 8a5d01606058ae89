//! Names and states of the learners of this device.
import type { Account } from "../../api/types";
import { t } from "../../i18n/index.svelte";

/** Returns the name to show for an account. */
export function learnerName(account: Account): string {
  if (!account.server) return account.serverName || t("settings.demoAccount");
  return account.user.name || account.user.login;
}
/** Returns true if only a sign-in opens the account. */
export function needsPassword(account: Account): boolean {
  return account.signedOut && !account.hasPin;
}
