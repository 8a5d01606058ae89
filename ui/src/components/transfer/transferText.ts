//! Messages about exported and imported files. Faults that require the same action share a message.
import { errorText } from "../../i18n/errors";
import { t } from "../../i18n/index.svelte";
import type { Key } from "../../i18n/index.svelte";
import type { CommandFailure } from "../../platform/failure";

const sentences: Record<string, Key> = {
  empty: "cable.why.notCarrel",
  not_carrel: "cable.why.notCarrel",
  mangled: "cable.why.mangled",
  truncated: "cable.why.truncated",
  too_long: "cable.why.damaged",
  head_damaged: "cable.why.damaged",
  blob_damaged: "cable.why.damaged",
  rows_damaged: "cable.why.damaged",
  signature_wrong: "cable.why.forged",
  key_malformed: "cable.why.forged",
  many_keys: "cable.why.forged",
  manifest_unreadable: "cable.why.forged",
  sizes_differ: "cable.why.forged",
  dangling: "cable.why.forged",
  twice: "cable.why.forged",
  head_too_large: "cable.why.forged",
  too_many: "cable.why.forged",
  impossible: "cable.why.forged",
  newer: "cable.why.newer",
  nothing: "cable.why.nothing",
  unreadable: "cable.why.unreadable",
  not_here: "cable.why.notHere",
  missing: "cable.why.missing",
  no_space: "cable.why.noSpace",
  no_place: "cable.why.noPlace",
  wrong_key: "cable.why.wrongKey",
  other_library: "cable.why.otherLibrary",
  not_accepted: "cable.why.notAccepted",
  taken: "cable.why.taken",
  other_learner: "cable.why.otherLearner",
  other_server: "cable.why.otherServer",
  unclaimed: "cable.why.unclaimed",
  busy: "cable.why.busy",
};

/** Why a file was not exported or imported, and what to do. */
export function why(reason: string, subject: string): string {
  const key = sentences[reason];
  return key ? t(key, { name: subject || t("cable.unnamed") }) : t("cable.why.damaged", { name: subject });
}
/** The same for a failed command. */
export function whyFailed(failure: CommandFailure): string {
  const { reason, subject } = failure.error;
  return reason ? why(reason, subject ?? "") : errorText(failure).text;
}
