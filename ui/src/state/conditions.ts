//! Reports the state of network and battery to the core, for downloads. Omits what the engine does not provide. Never
//! reports "offline", because engines are often wrong about it: the core detects it from failed requests.
import { api } from "../api/client";
import type { SetConditions } from "../api/types";

interface Connection extends EventTarget {
  readonly type?: string;
  readonly saveData?: boolean;
}
interface Battery extends EventTarget {
  readonly charging: boolean;
  readonly level: number;
}
type ExtendedNavigator = Navigator & { connection?: Connection; getBattery?: () => Promise<Battery> };

/** Converts the engine's values; omits unknown ones. */
export function conditionsOf(
  connection?: Pick<Connection, "type" | "saveData">,
  battery?: Pick<Battery, "charging" | "level">,
): SetConditions {
  const known: SetConditions = {};
  if (connection && (connection.type !== undefined || connection.saveData))
    known.metered = connection.saveData === true || connection.type === "cellular";
  if (battery && !battery.charging) known.onBattery = Math.round(battery.level * 100);
  return known;
}

/** Reports the conditions now and after every change; the returned function stops it. */
export function watchConditions(): () => void {
  const { connection, getBattery } = navigator as ExtendedNavigator;
  const controller = new AbortController();
  const options = { signal: controller.signal };
  let battery: Battery | undefined;
  const report = (more: SetConditions = {}): void =>
    void api.setConditions({ ...conditionsOf(connection, battery), ...more }).catch(() => undefined);
  const changed = (): void => report();
  connection?.addEventListener("change", changed, options);
  // The core checks the network after either event and decides by itself whether the app is offline.
  for (const event of ["online", "offline"]) addEventListener(event, () => report({ online: true }), options);
  if (connection) changed();
  void getBattery?.call(navigator).then(
    (found) => {
      if (controller.signal.aborted) return;
      battery = found;
      for (const event of ["chargingchange", "levelchange"]) found.addEventListener(event, changed, options);
      changed();
    },
    () => undefined,
  );
  return () => controller.abort();
}
