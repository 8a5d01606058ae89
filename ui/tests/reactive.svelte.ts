/** Props that a test can change. */
export function reactive<T extends object>(initial: T): T {
  const props = $state(initial);
  return props;
}
