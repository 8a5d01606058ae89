"""Everything that is heard: narration spoken by espeak-ng, and tones made of sines. Needs espeak-ng and ffmpeg."""

import json
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np

from book import COURSES

RATE = 22050


def samples(path):
    with wave.open(str(path)) as w:
        return np.frombuffer(w.readframes(w.getnframes()), "<i2").astype(float) / 32768


def say(text, speed=150, voice="en-gb", pitch=42):
    """The spoken text as samples, without the silence around it."""
    with tempfile.TemporaryDirectory() as tmp:
        out = Path(tmp) / "s.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-g", "2", "-w", out, text], check=True)
        s = samples(out)
    loud = np.flatnonzero(np.abs(s) > 0.004)
    return s[max(0, loud[0] - 200) : loud[-1] + 900]


def stamp(t):
    return f"{int(t // 3600):02}:{int(t // 60 % 60):02}:{t % 60:06.3f}"


def vtt(path, cues):
    path.write_text("WEBVTT\n\n" + "\n".join(f"{stamp(a)} --> {stamp(b)}\n{text}\n" for a, b, text in cues), encoding="utf-8")


def mp3(path, s, kbit=40):
    path.parent.mkdir(parents=True, exist_ok=True)
    peak = np.abs(s).max() or 1
    data = (s / peak * 0.82 * 32767).astype("<i2").tobytes()
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-y", "-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "-", "-map_metadata", "-1",
         "-fflags", "+bitexact", "-flags:a", "+bitexact", "-c:a", "libmp3lame", "-b:a", f"{kbit}k", path],
        input=data, check=True)


def narrate(sentences, gap=0.45, **voice):
    """Sentences one after the other: the samples, and one cue for each."""
    out, cues, t = [np.zeros(int(0.15 * RATE))], [], 0.15
    for text in sentences:
        spoken = say(text.replace("*", ""), **voice)
        cues.append((t, t + len(spoken) / RATE, text))
        out += [spoken, np.zeros(int(gap * RATE))]
        t += len(spoken) / RATE + gap
    return np.concatenate(out), cues


def tone(parts, seconds, fade=0.04):
    """A sum of (frequency, amplitude) sines with soft edges."""
    t = np.arange(int(seconds * RATE)) / RATE
    s = sum(a * np.sin(2 * np.pi * f * t) for f, a in parts)
    edge = np.minimum(1, np.minimum(t, t[-1] - t) / fade)
    return s * edge


def pieces(path, rows, gap=0.35):
    """Tones one after the other, with captions that say what sounds."""
    out, cues, t = [], [], 0.0
    for text, s in rows:
        cues.append((t, t + len(s) / RATE, text))
        out += [s, np.zeros(int(gap * RATE))]
        t += len(s) / RATE + gap
    mp3(path, np.concatenate(out))
    vtt(path.with_suffix(".vtt"), cues)
    path.with_suffix(".md").write_text("You hear, one after the other:\n\n" + "\n".join(f"- {text.strip('[]')}" for text, _ in rows) + "\n", encoding="utf-8")


def spoken():
    scripts = json.loads((Path(__file__).parent / "narration.json").read_text(encoding="utf-8"))
    for path, sentences in scripts.items():
        out = COURSES / path
        s, cues = narrate(sentences)
        mp3(out, s)
        vtt(out.with_suffix(".vtt"), cues)
        if "/stories/" not in path:
            out.with_suffix(".md").write_text(" ".join(sentences) + "\n", encoding="utf-8")


def words():
    for course in ("how-rivers-work", "waves-and-sound", "first-steps-in-fractions", "write-a-program-that-listens"):
        entries = json.loads((COURSES / course / "vocabulary.json").read_text(encoding="utf-8"))["entries"]
        for e in entries:
            if "audio" in e:
                s = np.concatenate([say(e["word"], speed=130), np.zeros(2000)])
                mp3(COURSES / course / e["audio"], s, 32)


def tones():
    home = COURSES / "waves-and-sound/media"
    pieces(home / "octaves.mp3", [(f"[pure tone, {f} hertz]", tone([(f, 1)], 1.6)) for f in (220, 440, 880)])
    pieces(home / "beats.mp3", [
        ("[pure tone, 440 hertz]", tone([(440, 1)], 2)),
        ("[pure tone, 443 hertz: hardly different]", tone([(443, 1)], 2)),
        ("[both together: the sound swells and fades three times a second]", tone([(440, 1), (443, 1)], 4)),
    ])
    pieces(home / "beats-exam.mp3", [("[two tones together: the loudness swells and fades]", tone([(330, 1), (335, 1)], 4))])
    pieces(home / "intervals.mp3", [
        ("[220 and 330 hertz together, ratio 2 to 3: smooth]", tone([(220 * n, 1 / n) for n in range(1, 7)] + [(330 * n, 1 / n) for n in range(1, 5)], 2.6)),
        ("[220 and 311 hertz together: rough]", tone([(220 * n, 1 / n) for n in range(1, 7)] + [(311.1 * n, 1 / n) for n in range(1, 5)], 2.6)),
    ])
    rows = [(f"[harmonic {n}: {n * 165} hertz]", tone([(165 * n, 0.8)], 0.9)) for n in range(1, 6)]
    rows.append(("[all five harmonics together: one rich tone]", tone([(165 * n, 1 / n) for n in range(1, 6)], 2.6)))
    pieces(home / "harmonics.mp3", rows, 0.15)


if __name__ == "__main__":
    import sys

    for step in sys.argv[1:] or ("tones", "spoken", "words"):
        globals()[step]()
