/** Calls `run` after the next frame has been painted. The returned function cancels the call. */
export function afterFrame(run: () => void): () => void {
  let frame = requestAnimationFrame(() => (frame = requestAnimationFrame(run)));
  return () => cancelAnimationFrame(frame);
}

/** Reports whether the calling component's first frame has been painted, for content that is rendered after it. */
export function afterFirstFrame(): { readonly isPainted: boolean } {
  let isPainted = $state(false);
  $effect(() => afterFrame(() => (isPainted = true)));
  return {
    get isPainted() {
      return isPainted;
    },
  };
}
