/** Switches the faults of the components in this folder on and off. */
export const faults = { enabled: true };
