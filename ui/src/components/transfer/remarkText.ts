//! The sentences about a converted file in the learner's language.
import type { RemarkView } from "../../api/types";
import { t } from "../../i18n/index.svelte";

export function remarkText({ code, params }: RemarkView): string {
  const { n, ...rest } = params;
  // Chooses the plural form.
  return t(`remark.${code}`, n === undefined ? rest : { ...rest, n: Number(n) });
}
