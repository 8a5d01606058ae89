/** Calls `run` in the frame after the next one, which has then been painted. The returned function cancels it. */
export function afterFrame(run: () => void): () => void {
  let frame = requestAnimationFrame(() => (frame = requestAnimationFrame(run)));
  return () => cancelAnimationFrame(frame);
}

/** Whether the first frame of the calling component has been painted; for content that may be rendered later. */
export function afterFirstFrame(): { readonly yes: boolean } {
  let yes = $state(false);
  $effect(() => afterFrame(() => (yes = true)));
  return {
    get yes() {
      return yes;
    },
  };
}
