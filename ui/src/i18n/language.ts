//! Names of languages: in the language itself, and in the language of the UI.
import { locale } from "./index.svelte";

/**
 * Languages that the Intl data of a browser may lack: the name in the language, and the English name where it differs.
 * Browsers leave out most languages without a translated interface.
 */
const table: Readonly<Record<string, readonly [own: string, english?: string]>> = {
  aa: ["Qafar af", "Afar"],
  ach: ["Acoli", "Acholi"],
  ada: ["Dangme"],
  adh: ["Dhopadhola", "Adhola"],
  adx: ["ཨ་མདོའི་སྐད", "Amdo Tibetan"],
  aeb: ["تونسي", "Tunisian Arabic"],
  ay: ["Aymar aru", "Aymara"],
  bem: ["Ichibemba", "Bemba"],
  ber: ["Tamaziɣt", "Berber"],
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
  gn: ["Avañe’ẽ", "Guarani"],
  gur: ["Gurenɛ", "Frafra"],
  guz: ["Ekegusii", "Gusii"],
  gyn: ["Creolese", "Guyanese Creole"],
  ha: ["Hausa"],
  "ha-ne": ["Hausa (Nijar)", "Hausa (Niger)"],
  ht: ["Kreyòl ayisyen", "Haitian Creole"],
  hy: ["Հայերեն", "Armenian"],
  hz: ["Otjiherero", "Herero"],
  ig: ["Igbo"],
  is: ["Íslenska", "Icelandic"],
  jam: ["Patwa", "Jamaican Creole"],
  jv: ["Basa Jawa", "Javanese"],
  ka: ["ქართული", "Georgian"],
  kam: ["Kikamba", "Kamba"],
  keo: ["Kakwa"],
  khg: ["ཁམས་སྐད", "Khams Tibetan"],
  ki: ["Gĩkũyũ", "Kikuyu"],
  kj: ["Oshikwanyama", "Kuanyama"],
  kln: ["Kalenjin"],
  km: ["ខ្មែរ", "Khmer"],
  kr: ["Kanuri"],
  kri: ["Krio"],
  ku: ["Kurdî", "Kurdish"],
  kwn: ["Rukwangali", "Kwangali"],
  ky: ["Кыргызча", "Kyrgyz"],
  la: ["Latina", "Latin"],
  lg: ["Luganda", "Ganda"],
  lgg: ["Lugbarati", "Lugbara"],
  "lgg-official": ["Lugbarati (official)", "Lugbara (official)"],
  ln: ["Lingála", "Lingala"],
  lo: ["ລາວ", "Lao"],
  loz: ["Silozi", "Lozi"],
  luc: ["Aringati", "Aringa"],
  luo: ["Dholuo", "Luo"],
  lwg: ["Oluwanga", "Wanga"],
  mas: ["Maa", "Maasai"],
  mfe: ["Kreol morisien", "Mauritian Creole"],
  mg: ["Malagasy"],
  mhw: ["Thimbukushu", "Mbukushu"],
  mi: ["Te reo Māori", "Māori"],
  mn: ["Монгол", "Mongolian"],
  mnw: ["ဘာသာမန်", "Mon"],
  my: ["မြန်မာ", "Burmese"],
  myx: ["Lumasaaba", "Masaaba"],
  naq: ["Khoekhoegowab", "Nama"],
  ne: ["नेपाली", "Nepali"],
  ng: ["Oshindonga", "Ndonga"],
  nn: ["Norsk nynorsk", "Norwegian Nynorsk"],
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
  qu: ["Runasimi", "Quechua"],
  rki: ["ရခိုင်", "Rakhine"],
  rn: ["Ikirundi", "Kirundi"],
  rw: ["Ikinyarwanda", "Kinyarwanda"],
  saq: ["Sampur", "Samburu"],
  se: ["Davvisámegiella", "Northern Sami"],
  si: ["සිංහල", "Sinhala"],
  sn: ["chiShona", "Shona"],
  so: ["Soomaali", "Somali"],
  sq: ["Shqip", "Albanian"],
  ss: ["siSwati", "Swati"],
  st: ["Sesotho", "Southern Sotho"],
  teo: ["Ateso", "Teso"],
  tet: ["Tetun", "Tetum"],
  tg: ["Тоҷикӣ", "Tajik"],
  ti: ["ትግርኛ", "Tigrinya"],
  tn: ["Setswana", "Tswana"],
  toi: ["Chitonga", "Tonga"],
  ts: ["Xitsonga", "Tsonga"],
  tsc: ["Xitshwa", "Tswa"],
  ttj: ["Rutooro", "Tooro"],
  tuv: ["Ng’aturkana", "Turkana"],
  tw: ["Twi"],
  "tw-akua": ["Akuapem Twi"],
  "tw-asan": ["Asante Twi"],
  ve: ["Tshivenḓa", "Venda"],
  wo: ["Wolof"],
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

/** With a capital first letter: Intl has "français" for the middle of a sentence. Other scripts have no capitals. */
function capitalised(name: string, tag: string): string {
  const [first = ""] = name;
  return /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}]/u.test(first)
    ? first.toLocaleUpperCase(tag) + name.slice(first.length)
    : name;
}
/**
 * The name of a language in the language itself, as it stands in a list: "Kiswahili", "Français", "isiZulu". If it is
 * unknown, the English name; else the tag.
 */
export function autonym(tag: string): string {
  const key = keyOf(tag);
  return cached(`own ${key}`, () => {
    const own = intlName(key, key);
    return table[key]?.[0] ?? (own ? capitalised(own, key) : undefined) ?? englishName(key) ?? tag;
  });
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
/** Returns the text in lower case without marks, so that "yoruba" finds "Yorùbá". */
export const folded = (text: string): string => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
/** Whether all words of the query occur in the names or the tag of the language. */
export function languageMatches(tag: string, query: string): boolean {
  const key = keyOf(tag);
  const names = folded([autonym(tag), languageLabel(tag), englishName(key) ?? "", key].join(" "));
  return folded(query)
    .split(/\s+/)
    .every((word) => names.includes(word));
}
