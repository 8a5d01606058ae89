//! What the system's media keys, headsets and lock screens do: they drive whoever played last. Through `navigator.mediaSession` where the
//! window has one, else through the keys alone.

export interface Holder {
  /** What the system shows. `picture` is an address. */
  facts(): { title: string; album: string; picture?: string };
  play(): void;
  pause(): void;
  /** Seconds from the beginning. */
  seek(to: number): void;
  /** Seconds. `undefined`: nothing is known yet. */
  position(): { duration: number; position: number; rate: number } | undefined;
  next?(): void;
  previous?(): void;
}

const STEP = 10;
let holder: Holder | undefined;

function session(): MediaSession | undefined {
  return typeof navigator !== "undefined" && "mediaSession" in navigator ? navigator.mediaSession : undefined;
}

function moveBy(seconds: number): void {
  const now = holder?.position();
  if (now) holder?.seek(Math.min(now.duration, Math.max(0, now.position + seconds)));
}

const actions: Record<string, (details: { seekTime?: number | null; seekOffset?: number | null }) => void> = {
  play: () => holder?.play(),
  pause: () => holder?.pause(),
  stop: () => holder?.pause(),
  seekbackward: (d) => moveBy(-(d.seekOffset ?? STEP)),
  seekforward: (d) => moveBy(d.seekOffset ?? STEP),
  seekto: (d) => d.seekTime != null && holder?.seek(d.seekTime),
  nexttrack: () => holder?.next?.(),
  previoustrack: () => holder?.previous?.(),
};

/** From now on the keys drive `next`. Whoever held them before is told to pause. */
export function acquireMediaSession(next: Holder): void {
  if (holder !== next) holder?.pause();
  holder = next;
  const keys = session();
  if (!keys) return;
  const { title, album, picture } = next.facts();
  if (typeof MediaMetadata !== "undefined")
    keys.metadata = new MediaMetadata({ title, album, artwork: picture ? [{ src: picture }] : [] });
  for (const [action, run] of Object.entries(actions)) {
    const wanted =
      action === "nexttrack"
        ? next.next !== undefined
        : action === "previoustrack"
          ? next.previous !== undefined
          : true;
    try {
      keys.setActionHandler(action as MediaSessionAction, wanted ? run : null);
    } catch {
      // Not every window knows every action.
    }
  }
  updateMediaSession(next, true);
}

/** The holder began, stopped or moved. */
export function updateMediaSession(who: Holder, playing: boolean): void {
  const keys = session();
  if (!keys || who !== holder) return;
  keys.playbackState = playing ? "playing" : "paused";
  const now = who.position();
  if (!now || !Number.isFinite(now.duration) || now.duration <= 0) return;
  try {
    keys.setPositionState({
      duration: now.duration,
      position: Math.min(now.duration, Math.max(0, now.position)),
      playbackRate: now.rate,
    });
  } catch {
    // As above.
  }
}

/** It is gone from the page. */
export function releaseMediaSession(who: Holder): void {
  if (who !== holder) return;
  holder = undefined;
  const keys = session();
  if (!keys) return;
  keys.metadata = null;
  keys.playbackState = "none";
  for (const action of Object.keys(actions)) {
    try {
      keys.setActionHandler(action as MediaSessionAction, null);
    } catch {
      // As above.
    }
  }
}

/** Keyboards send these to the window itself where the system does not take them. */
export function onKey(event: KeyboardEvent): void {
  const run: Record<string, () => void> = {
    MediaPlay: () => holder?.play(),
    MediaPause: () => holder?.pause(),
    MediaStop: () => holder?.pause(),
    MediaTrackNext: () => holder?.next?.(),
    MediaTrackPrevious: () => holder?.previous?.(),
  };
  const found = run[event.key];
  if (!found || !holder) return;
  event.preventDefault();
  found();
}
if (typeof addEventListener !== "undefined") addEventListener("keydown", onKey);
