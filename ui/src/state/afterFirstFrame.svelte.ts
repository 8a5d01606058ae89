/** Calls `run` in the frame after the next one, which has then been painted. The returned function cancels it. */
export function afterFrame(run: () => void): () => void {
  let frame = requestAnimationFrame(() => (frame = requestAnimationFrame(run)));
  return () => cancelAnimationFrame(frame);
}

/** Whether the first frame of the calling component has been painted; for content that may be rendered later. */
export function afterFirstFrame(): { readonly isPainted: boolean } {
  let isPainted = $state(false);
  $effect(() => afterFrame(() => (isPainted = true)));
  return {
    get isPainted() {
      return isPainted;
    },
  };
}
