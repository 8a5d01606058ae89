// Messages for the causes of failed connections (`NetworkCause` of the core).
import type { ErrorText } from "./errors";
import { hasMessage, t } from "./index.svelte";

/** Whether waiting does not help: someone has to change a certificate, a proxy or an address. */
function needsAction(cause: string): boolean {
  return /^(certificate_|proxy_|tls_|not_tls$)/.test(cause);
}

/** As `networkText`, but only if waiting does not help. A device without a network is offline, which is no error. */
export function actionText(cause: string | null | undefined): ErrorText | undefined {
  return cause && needsAction(cause) ? networkText(cause) : undefined;
}

/** Returns the message for a cause, or undefined if it is unknown or not named. */
export function networkText(cause: string | null | undefined): ErrorText | undefined {
  const key = `network.${cause ?? ""}`;
  if (!cause || !hasMessage(key)) return undefined;
  const title = cause.startsWith("certificate_")
    ? t("network.title.certificate")
    : cause.startsWith("proxy_")
      ? t("network.title.proxy")
      : t("error.offline.title");
  return { title, text: t(key) };
}
