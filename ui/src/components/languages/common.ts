//! Languages that are offered before there is a catalogue: those with many speakers, and those of open storybooks.
export const commonLanguages: readonly string[] = (
  "aa ach af ak am ar ay az bem ber bn bo ca ckb cs da de ee el en eo es et fa ff fi fr gaa gn gu ha he hi hr ht hu hy id " +
  "ig is it ja jv ka kam ki kk km kn ko kri ku ky la lg ln lo loz lt luo lv mas mg mi ml mn mr ms my nb ne nl nn nso ny " +
  "nyn om pa pl prs ps pt qu rn ro ru rw saq sd si sk sl sn so sq sr ss st sv sw ta te tg th ti tl tn toi tr ts tw uk ur " +
  "uz ve vi wo xh yo yue zh zu"
).split(" ");
