/** Runs it once the next frame has been drawn; the answer takes it back. */
export function afterFrame(run: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const frame = requestAnimationFrame(() => (timer = setTimeout(run)));
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}

/** Of the component that asks: whether its first frame has been drawn. For what may come after it. */
export function shown(): { readonly yes: boolean } {
  let yes = $state(false);
  $effect(() => afterFrame(() => (yes = true)));
  return {
    get yes() {
      return yes;
    },
  };
}
