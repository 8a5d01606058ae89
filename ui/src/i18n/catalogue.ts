//! Types of the message catalogues. `en.json` defines the keys.
import type en from "./en.json";

/** Plural forms; the parameter `n` selects one. */
export type Plural = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };
export type Key = keyof typeof en;
/** A string where English has a string, plural forms where English has plural forms. */
export type Catalogue = { [K in Key]: (typeof en)[K] extends string ? string : Plural };
