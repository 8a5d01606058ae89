/** Of the component that asks: whether its first frame has been drawn. For what may come after it. */
export function shown(): { readonly yes: boolean } {
  let yes = $state(false);
  $effect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const frame = requestAnimationFrame(() => (timer = setTimeout(() => (yes = true))));
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  });
  return {
    get yes() {
      return yes;
    },
  };
}
