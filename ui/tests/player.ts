//! An audio element for tests of media.

/** An audio element without playback: `tick` sets the position, `ready` reports that the recording is loaded. */
export function player(duration = 100): HTMLAudioElement & { tick(to: number): void; ready(): void } {
  const element = document.createElement("audio") as HTMLAudioElement & { tick(to: number): void; ready(): void };
  let state = 0;
  let at = 0;
  let paused = true;
  const dispatch = (name: string): boolean => element.dispatchEvent(new Event(name));
  Object.defineProperties(element, {
    readyState: { get: () => state },
    duration: { get: () => (state > 0 ? duration : Number.NaN) },
    paused: { get: () => paused },
    ended: { get: () => at >= duration },
    currentTime: {
      configurable: true,
      get: () => at,
      set: (to: number) => {
        // An element ignores a new position until its metadata is loaded.
        if (state === 0) return;
        at = to;
        dispatch("seeked");
      },
    },
  });
  element.play = () => {
    paused = false;
    dispatch("play");
    dispatch("playing");
    return Promise.resolve();
  };
  element.pause = () => {
    if (!paused) {
      paused = true;
      dispatch("pause");
    }
  };
  element.load = () => undefined;
  element.tick = (to) => {
    at = to;
    dispatch("timeupdate");
  };
  element.ready = () => {
    state = 4;
    dispatch("loadedmetadata");
  };
  return element;
}

/** Runs pending promise callbacks. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 6; i++) await Promise.resolve();
};
