//! Languages that are offered for files that do not state theirs.

/** BCP 47 tags. */
export const commonLanguages: readonly string[] = (
  "af am ar az bg bn bs ca cs cy da de el en es et eu fa fi fr ga gl gu ha he hi hr hu hy id ig is it ja ka kk km kn " +
  "ko ku ky la lo lt lv mg mk ml mn mr ms my nb ne nl nn om or pa pl ps pt ro ru rw si sk sl sn so sq sr sv sw ta te " +
  "tg th ti tk tr uk ur uz vi wo xh yo zh zu"
).split(" ");
