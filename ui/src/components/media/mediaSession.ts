//! Connects media keys, headset buttons and lock screen controls to the player that started last: through
//! `navigator.mediaSession` if the engine has it, and through media keys that reach the page.

export interface Holder {
  /** The data that the system shows. `picture` is a URL. */
  metadata(): { title: string; album: string; picture?: string };
  play(): void;
  pause(): void;
  /** Seeks to a position in seconds. */
  seek(to: number): void;
  /** Duration and position in seconds; undefined if not yet known. */
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

/** Makes `next` the holder of the media session and pauses the previous one. */
export function acquireMediaSession(next: Holder): void {
  if (holder !== next) holder?.pause();
  holder = next;
  const keys = session();
  if (!keys) return;
  const { title, album, picture } = next.metadata();
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
      // Not every engine supports every action.
    }
  }
  updateMediaSession(next, true);
}

/** Reports the state, position and rate of the holder. Ignores other players. */
export function updateMediaSession(player: Holder, playing: boolean): void {
  const keys = session();
  if (!keys || player !== holder) return;
  keys.playbackState = playing ? "playing" : "paused";
  const now = player.position();
  if (!now || !Number.isFinite(now.duration) || now.duration <= 0) return;
  try {
    keys.setPositionState({
      duration: now.duration,
      position: Math.min(now.duration, Math.max(0, now.position)),
      playbackRate: now.rate,
    });
  } catch {
    // Not every engine supports position states.
  }
}

/** Clears the media session if `player` is its holder. */
export function releaseMediaSession(player: Holder): void {
  if (player !== holder) return;
  holder = undefined;
  const keys = session();
  if (!keys) return;
  keys.metadata = null;
  keys.playbackState = "none";
  for (const action of Object.keys(actions)) {
    try {
      keys.setActionHandler(action as MediaSessionAction, null);
    } catch {
      // Not every engine supports every action.
    }
  }
}

/** Handles media keys that the system sends to the page. */
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
