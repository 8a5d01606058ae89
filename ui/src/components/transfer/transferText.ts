//! Messages of failed exports and imports. Errors that require the same action share a message.
import { errorText } from "../../i18n/errors";
import { t } from "../../i18n/index.svelte";
import type { ImportProblem } from "../../api/types";
import type { Key } from "../../i18n/index.svelte";
import type { CommandFailure } from "../../platform/failure";

const messages: Record<string, Key> = {
  empty: "bundle.error.notCarrel",
  not_carrel: "bundle.error.notCarrel",
  mangled: "bundle.error.alteredAsText",
  truncated: "bundle.error.truncated",
  too_long: "bundle.error.damaged",
  head_damaged: "bundle.error.damaged",
  blob_damaged: "bundle.error.damaged",
  rows_damaged: "bundle.error.damaged",
  signature_wrong: "bundle.error.forged",
  key_malformed: "bundle.error.forged",
  many_keys: "bundle.error.forged",
  manifest_unreadable: "bundle.error.forged",
  sizes_differ: "bundle.error.forged",
  dangling: "bundle.error.forged",
  twice: "bundle.error.forged",
  head_too_large: "bundle.error.forged",
  too_many: "bundle.error.forged",
  impossible: "bundle.error.forged",
  newer: "bundle.error.tooNew",
  nothing: "bundle.error.nothingForDevice",
  unreadable: "bundle.error.unreadable",
  not_here: "bundle.error.notDownloaded",
  missing: "bundle.error.missing",
  no_space: "bundle.error.noSpace",
  no_place: "bundle.error.notWritable",
  wrong_key: "bundle.error.wrongKey",
  other_library: "bundle.error.otherLibrary",
  not_accepted: "bundle.error.notAccepted",
  taken: "bundle.error.taken",
  other_learner: "bundle.error.otherLearner",
  other_server: "bundle.error.otherServer",
  unclaimed: "bundle.error.unclaimed",
  busy: "bundle.error.busy",
};

/** Messages for a file of another program that cannot be converted, by the code of its first problem. */
const problemKeys: Record<ImportProblem, Key> = {
  "bad-lang": "bundle.notConverted.language",
  "file-too-large": "bundle.notConverted.limit",
  "import-broken": "bundle.notConverted.broken",
  "import-empty": "bundle.notConverted.empty",
  "import-limit": "bundle.notConverted.limit",
  "import-newer": "bundle.notConverted.newer",
  "import-protected": "bundle.notConverted.protected",
  "import-xml": "bundle.notConverted.xml",
  internal: "bundle.notConverted.internal",
  "no-package": "bundle.notConverted.broken",
  "not-found": "bundle.error.unreadable",
  "path-duplicate": "bundle.notConverted.broken",
  "path-name": "bundle.notConverted.broken",
  "too-large": "bundle.notConverted.limit",
  "too-many-files": "bundle.notConverted.limit",
  unreadable: "bundle.error.unreadable",
  "zip-broken": "bundle.notConverted.broken",
  "zip-encrypted": "bundle.notConverted.password",
  "zip-method": "bundle.notConverted.broken",
  "zip-names": "bundle.notConverted.broken",
  "zip-ratio": "bundle.notConverted.limit",
};
const problems: Record<string, Key> = problemKeys;

/** Returns why a file was not exported or imported, and what to do. */
export function transferErrorText(reason: string, subject: string): string {
  if (reason === "not_converted") return t(problems[subject] ?? "bundle.notConverted.other", { name: subject });
  const key = messages[reason];
  return key ? t(key, { name: subject || t("bundle.unnamed") }) : t("bundle.error.damaged", { name: subject });
}
/** Returns the message for a failed export or import command. */
export function transferFailureText(failure: CommandFailure): string {
  const { reason, subject } = failure.error;
  return reason ? transferErrorText(reason, subject ?? "") : errorText(failure).text;
}
