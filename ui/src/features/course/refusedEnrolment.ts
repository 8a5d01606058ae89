//! Why the school did not accept an enrolment, in the language of the UI.
import { t } from "../../i18n/index.svelte";

const known = ["needs_code", "assigned_only", "course_withdrawn"] as const;

/** Returns the message for the reason of a decision: a name that the server gives, or a text of the school. */
export function refusedEnrolment(reason: string): string {
  const named = /^([a-z_]+)\([^)]*\): (.*)$/s.exec(reason);
  const name = known.find((name) => name === named?.[1]);
  if (name) return t(`course.refusal.${name}`);
  const text = named?.[2] ?? reason;
  return text ? t("course.refusedWhy", { reason: text }) : t("course.refused");
}
