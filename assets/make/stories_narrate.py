"""Narration for the demo stories: an mp3 and an exactly timed WebVTT for every page.

Each sentence is spoken by itself with espeak-ng, its samples are counted, and the sentences are joined with a short
silence between them; so a cue's times are those of its sentence to the sample.

    python3 stories_narrate.py [story-id ...]
"""
import json
import os
import re
import subprocess
import sys
import wave

import numpy as np
from stories_text import STORIES, pages, sentences

RATE = 22050
GAP = 0.35
LEAD, TAIL = 0.12, 0.40
SPEED = {1: 130, 2: 140, 3: 145, 4: 152, 5: 155}
VOICE = {"en": "en-gb", "fr": "fr-fr", "ar": "ar"}
KBITS = "32k"
# Written sounds that a synthesiser would spell letter by letter.
SPOKEN = {"Shhhh": "[[S::::]]", "Chhhh": "[[S::::]]", "Ti-ti-lou": "Teety-loo", "ti-ti-lou": "teety-loo"}


def speak(text, voice, speed):
    for a, b in SPOKEN.items():
        text = text.replace(a, b)
    text = re.sub("[“”«»\"]", "", text)
    wav = subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "--stdin", "--stdout"], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
    pcm = np.frombuffer(wav[wav.index(b"data") + 8:], dtype="<i2")
    loud = np.flatnonzero(np.abs(pcm) > 60)
    return pcm[max(loud[0] - 200, 0): loud[-1] + 1200] if loud.size else pcm


def stamp(seconds):
    ms = round(seconds * 1000)
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def narrate(story):
    meta = json.load(open(os.path.join(STORIES, story, "story.json"), encoding="utf-8"))
    voice, speed = VOICE[meta["lang"]], SPEED[meta["level"]] - (12 if meta["lang"] == "ar" else 0)
    for page in pages(story):
        parts, cues, at = [np.zeros(int(LEAD * RATE), "<i2")], [], int(LEAD * RATE)
        said = sentences(page["text"], meta["lang"])
        for i, s in enumerate(said):
            pcm = speak(s, voice, speed)
            cues.append((at / RATE, (at + len(pcm)) / RATE, s))
            gap = np.zeros(int((TAIL if i == len(said) - 1 else GAP) * RATE), "<i2")
            parts += [pcm, gap]
            at += len(pcm) + len(gap)
        base = os.path.join(STORIES, story, os.path.splitext(page["audio"])[0])
        with wave.open(base + ".wav", "wb") as w:
            w.setnchannels(1)
            w.setsampwidth(2)
            w.setframerate(RATE)
            w.writeframes(np.concatenate(parts).tobytes())
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", base + ".wav", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact",
                        "-c:a", "libmp3lame", "-ac", "1", "-b:a", KBITS, "-id3v2_version", "0", base + ".mp3"], check=True)
        os.remove(base + ".wav")
        with open(base + ".vtt", "w", encoding="utf-8") as f:
            f.write("WEBVTT\n" + "".join(f"\n{stamp(a)} --> {stamp(b)}\n{s}\n" for a, b, s in cues))


if __name__ == "__main__":
    for sid in sys.argv[1:] or sorted(d for d in os.listdir(STORIES) if os.path.exists(os.path.join(STORIES, d, "story.json"))):
        narrate(sid)
