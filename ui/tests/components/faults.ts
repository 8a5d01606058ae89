/** Whether the components in this folder throw. */
export const faults = { enabled: true };
