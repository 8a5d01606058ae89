//! Labels of the policies. `tests/policies.test.ts` compares this list with the keys of the core.
import { t } from "../../i18n/index.svelte";

export const policyKeys = [
  "ServerAddress",
  "ServerAddressLocked",
  "AllowedServers",
  "SignInMethods",
  "EnrolmentToken",
  "UpdateMode",
  "UpdateChannel",
  "UpdateUrl",
  "SelfUpdateManagedPackages",
  "ProxyMode",
  "ProxyUrl",
  "ProxyPacUrl",
  "ProxyBypass",
  "ExtraCaFile",
  "MirrorUrl",
  "ContentQuota",
  "ContentFolder",
  "DownloadOnMetered",
  "DemoLibrary",
  "ImportCourses",
  "ImportWork",
  "KioskMode",
  "Telemetry",
  "LogLevel",
] as const;

/** Returns the label of a policy; a key without one is returned as it is. */
export function policyLabel(key: string): string {
  const known = policyKeys.find((name) => name === key);
  return known ? t(`policies.key.${known}`) : key;
}
