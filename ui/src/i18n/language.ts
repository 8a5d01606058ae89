//! Names of languages: in the language itself, and in the language of the UI.
import { locale } from "./index.svelte";

/**
 * Languages that the Intl data of a browser may lack: the name in the language, and the English name where it differs.
 * Browsers leave out most languages without a translated interface.
 */
const table: Readonly<Record<string, readonly [own: string, english?: string]>> = {
  ada: ["Dangme"],
  adh: ["Dhopadhola", "Adhola"],
  adx: ["ཨ་མདོའི་སྐད", "Amdo Tibetan"],
  aeb: ["تونسي", "Tunisian Arabic"],
  bem: ["Ichibemba", "Bemba"],
  bo: ["བོད་སྐད", "Tibetan"],
  ckb: ["کوردیی ناوەندی", "Central Kurdish"],
  dag: ["Dagbanli", "Dagbani"],
  dga: ["Dagaare"],
  dje: ["Zarmaciine", "Zarma"],
  ee: ["Eʋegbe", "Ewe"],
  eo: ["Esperanto"],
  fat: ["Mfantse", "Fante"],
  ff: ["Fulfulde", "Fula"],
  ga: ["Gaeilge", "Irish"],
  gaa: ["Gã", "Ga"],
  gjn: ["Ngbanya", "Gonja"],
  gur: ["Gurenɛ", "Frafra"],
  guz: ["Ekegusii", "Gusii"],
  gyn: ["Creolese", "Guyanese Creole"],
  ha: ["Hausa"],
  "ha-ne": ["Hausa (Nijar)", "Hausa (Niger)"],
  ht: ["Kreyòl ayisyen", "Haitian Creole"],
  hz: ["Otjiherero", "Herero"],
  jam: ["Patwa", "Jamaican Creole"],
  kam: ["Kikamba", "Kamba"],
  keo: ["Kakwa"],
  khg: ["ཁམས་སྐད", "Khams Tibetan"],
  kj: ["Oshikwanyama", "Kuanyama"],
  kln: ["Kalenjin"],
  kr: ["Kanuri"],
  kwn: ["Rukwangali", "Kwangali"],
  la: ["Latina", "Latin"],
  lg: ["Luganda", "Ganda"],
  lgg: ["Lugbarati", "Lugbara"],
  "lgg-official": ["Lugbarati (official)", "Lugbara (official)"],
  loz: ["Silozi", "Lozi"],
  luc: ["Aringati", "Aringa"],
  lwg: ["Oluwanga", "Wanga"],
  mas: ["Maa", "Maasai"],
  mfe: ["Kreol morisien", "Mauritian Creole"],
  mg: ["Malagasy"],
  mhw: ["Thimbukushu", "Mbukushu"],
  mnw: ["ဘာသာမန်", "Mon"],
  my: ["မြန်မာ", "Burmese"],
  myx: ["Lumasaaba", "Masaaba"],
  naq: ["Khoekhoegowab", "Nama"],
  ne: ["नेपाली", "Nepali"],
  ng: ["Oshindonga", "Ndonga"],
  nn: ["norsk nynorsk", "Norwegian Nynorsk"],
  nr: ["isiNdebele", "South Ndebele"],
  nso: ["Sesotho sa Leboa", "Northern Sotho"],
  nuj: ["Lunyole", "Nyole"],
  ny: ["Chichewa", "Nyanja"],
  nyn: ["Runyankore", "Nyankole"],
  nzi: ["Nzema"],
  om: ["Afaan Oromoo", "Oromo"],
  or: ["ଓଡ଼ିଆ", "Odia"],
  pa: ["ਪੰਜਾਬੀ", "Punjabi"],
  prs: ["دری", "Dari"],
  ps: ["پښتو", "Pashto"],
  rki: ["ရခိုင်", "Rakhine"],
  rw: ["Ikinyarwanda", "Kinyarwanda"],
  saq: ["Sampur", "Samburu"],
  se: ["davvisámegiella", "Northern Sami"],
  so: ["Soomaali", "Somali"],
  ss: ["siSwati", "Swati"],
  teo: ["Ateso", "Teso"],
  tet: ["Tetun", "Tetum"],
  ti: ["ትግርኛ", "Tigrinya"],
  tn: ["Setswana", "Tswana"],
  toi: ["Chitonga", "Tonga"],
  ts: ["Xitsonga", "Tsonga"],
  tsc: ["Xitshwa", "Tswa"],
  ttj: ["Rutooro", "Tooro"],
  tuv: ["Ng’aturkana", "Turkana"],
  "tw-akua": ["Akuapem Twi"],
  "tw-asan": ["Asante Twi"],
  ve: ["Tshivenḓa", "Venda"],
  xh: ["isiXhosa", "Xhosa"],
  xog: ["Lusoga", "Soga"],
  xsm: ["Kasem"],
  yo: ["Èdè Yorùbá", "Yoruba"],
  yue: ["粵語", "Cantonese"],
  zne: ["Pazande", "Zande"],
  zu: ["isiZulu", "Zulu"],
};

/** The name that Intl has in the language `display`; none if its data lack the language or `display`. */
function intlName(tag: string, display: string): string | undefined {
  try {
    const names = new Intl.DisplayNames([display], { type: "language", fallback: "none" });
    const known = new Intl.Locale(names.resolvedOptions().locale).language;
    return known === new Intl.Locale(display).language ? names.of(tag) : undefined;
  } catch {
    return undefined;
  }
}
const cache = new Map<string, string>();
function cached(key: string, make: () => string): string {
  const found = cache.get(key) ?? make();
  cache.set(key, found);
  return found;
}
const keyOf = (tag: string): string => tag.toLowerCase().replace(/_/g, "-");

/** The name of a language in the language itself: "Kiswahili". If it is unknown, the English name; else the tag. */
export function autonym(tag: string): string {
  const key = keyOf(tag);
  return cached(`own ${key}`, () => table[key]?.[0] ?? intlName(key, key) ?? englishName(key) ?? tag);
}
function englishName(key: string): string | undefined {
  const known = table[key];
  return intlName(key, "en") ?? known?.[1] ?? known?.[0];
}
/** The name of a language in the language of the UI; if that is unknown, in the language itself. */
export function languageLabel(tag: string): string {
  const key = keyOf(tag);
  return cached(`${locale()} ${key}`, () => {
    const inEnglish = locale().startsWith("en") ? englishName(key) : undefined;
    return intlName(key, locale()) ?? inEnglish ?? autonym(tag);
  });
}
/** Lower case without marks, so that "yoruba" finds "Yorùbá". */
const folded = (text: string): string => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
/** Whether all words of the query occur in the names or the tag of the language. */
export function languageMatches(tag: string, query: string): boolean {
  const key = keyOf(tag);
  const names = folded([autonym(tag), languageLabel(tag), englishName(key) ?? "", key].join(" "));
  return folded(query)
    .split(/\s+/)
    .every((word) => names.includes(word));
}
