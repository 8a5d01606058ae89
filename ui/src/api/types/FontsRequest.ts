import type { ItemId } from "./ItemId";
export type FontsRequest = { item: ItemId, lang: string, };
