//! Names of the learner's changes, and why the server refused one, in the language of the UI.
import type { Receipt } from "../../api/types";
import { t, type Key } from "../../i18n/index.svelte";

/** Returns the message key of the name of a row. Rows of type `kv` are named by their namespace. */
export function nameOf(receipt: Pick<Receipt, "id" | "rowType">): Key {
  if (receipt.rowType !== "kv") return `sync.row.${receipt.rowType}`;
  const ns = /^kv:(setting|enrolment|device|completed)\u001f/.exec(receipt.id)?.[1] as
    "setting" | "enrolment" | "device" | "completed" | undefined;
  return ns ? `sync.row.kv.${ns}` : "sync.row.kv";
}
const reasons = [
  "quota",
  "clock_days",
  "clock_seconds",
  "unknown_type",
  "server_only",
  "field",
  "malformed",
  "quiz_changed",
  "unknown_question",
  "too_many_answers",
] as const;
const codes = ["invalid", "forbidden", "too_new", "clock_skew", "damaged"] as const;

/** Returns the message for a refusal. A reason that this release does not know is explained by its code. */
export function refusalText(receipt: Pick<Receipt, "code" | "reasonName" | "reasonParams">): string {
  const name = reasons.find((known) => known === receipt.reasonName);
  if (name) return t(`sync.reason.${name}`, receipt.reasonParams);
  const code = codes.find((known) => known === receipt.code);
  return t(code ? `sync.why.${code}` : "sync.why.other");
}
