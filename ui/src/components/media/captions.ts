//! Parses the times and the plain text of WebVTT captions.
export interface Cue {
  start: number;
  end: number;
  text: string;
}

/** Maximum number of cues. The compiler rejects files with more; here, further cues are ignored. */
export const MAX_CUES = 50_000;

const time = /(?:(\d+):)?(\d{2}):(\d{2})[.,](\d{3})/;
function ms(text: string): number | undefined {
  // Limits the input, because matching a long run of digits takes quadratic time.
  const m = time.exec(text.trim().slice(0, 40));
  return m ? Number(m[1] ?? 0) * 3_600_000 + Number(m[2]) * 60_000 + Number(m[3]) * 1000 + Number(m[4]) : undefined;
}

export function parseCues(vtt: string): Cue[] {
  const cues: Cue[] = [];
  for (const block of vtt.replace(/\r\n?/g, "\n").split(/\n{2,}/)) {
    const lines = block.split("\n");
    const at = lines.findIndex((line) => line.includes("-->"));
    if (at < 0) continue;
    if (cues.length >= MAX_CUES) break;
    const [from = "", to = ""] = lines[at]!.split("-->");
    const start = ms(from);
    const end = ms(to);
    if (start === undefined || end === undefined || end <= start) continue;
    cues.push({
      start,
      end,
      text: lines
        .slice(at + 1)
        .join(" ")
        .replace(/<[^<>]*>/g, "")
        .trim(),
    });
  }
  return cues;
}
export function cueAt(cues: readonly Cue[], at: number): Cue | undefined {
  return cues.find((cue) => cue.start <= at && at < cue.end);
}
/** Fetches the text of a captions file. The media server allows the app's origin (CORS). */
export async function fetchText(url: string): Promise<string> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`captions could not be loaded: status ${response.status}`);
  return response.text();
}
export async function loadCues(url: string): Promise<Cue[]> {
  return parseCues(await fetchText(url));
}
