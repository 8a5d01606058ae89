//! Finishes a sign-in in the browser, from a typed code or from a link.
import { api } from "../api/client";
import { t } from "../i18n/index.svelte";
import { announcer } from "./announce.svelte";
import { appState } from "./appState.svelte";
import { router } from "./router.svelte";

export async function finishBrowserSignIn(code: string): Promise<void> {
  const state = await api.finishBrowserSignIn({ code });
  await appState.replace(state);
  if (state.enrolmentRefused) announcer.showToast({ text: t(`error.${state.enrolmentRefused}.text`), isError: true });
  router.go({ name: "library" });
}
