/** Runs it at the start of the frame after the next one, when that has gone to the screen; the answer takes it back. */
export function afterFrame(run: () => void): () => void {
  let frame = requestAnimationFrame(() => (frame = requestAnimationFrame(run)));
  return () => cancelAnimationFrame(frame);
}

/** Of the component that asks: whether its first frame has been drawn. For what may come after it. */
export function afterFirstFrame(): { readonly yes: boolean } {
  let yes = $state(false);
  $effect(() => afterFrame(() => (yes = true)));
  return {
    get yes() {
      return yes;
    },
  };
}
