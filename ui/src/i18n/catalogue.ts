//! The type of the message catalogues: `en.json` names the keys, the others have the same. Only types are taken from it here.
import type en from "./en.json";

/** In a plural, `{n}` chooses the form. */
export type Plural = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };
export type Key = keyof typeof en;
/** A text where English has a text, a plural where English has a plural. */
export type Catalogue = { [K in Key]: (typeof en)[K] extends string ? string : Plural };
