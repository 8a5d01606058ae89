"""Checks the demo stories by themselves, without the compiler: JSON, files, ids, words, cues, sizes.

    python3 stories_check.py
"""
import json
import os
import re
import subprocess
import sys

from stories_text import STORIES, pages, sentences

ID = re.compile(r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")
CUE = re.compile(r"^(\d\d):(\d\d):(\d\d\.\d{3}) --> (\d\d):(\d\d):(\d\d\.\d{3})$", re.M)
ORNAMENTS = "star peaks rings waves squares petals grid leaf sun steps".split()
KINDS = {"single", "multiple", "fill", "order", "match"}
bad = []


def err(*a):
    bad.append(" ".join(map(str, a)))


def unique(where, ids):
    for i in ids:
        if not ID.match(i):
            err(where, "id", repr(i))
    if len(set(ids)) != len(ids):
        err(where, "an id occurs twice")


def seconds(path):
    return float(subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path], stdout=subprocess.PIPE, text=True).stdout)


def quiz(where, q):
    unique(where, [x["id"] for x in q["questions"]])
    if q.get("format") != "carrel-quiz/1" or not 4 <= len(q["questions"]) <= 6:
        err(where, "format or number of questions")
    for x in q["questions"]:
        w = f'{where}#{x["id"]}'
        if x["kind"] not in KINDS or not x.get("prompt") or not x.get("explanation"):
            err(w, "kind, prompt or explanation")
        if x["kind"] in ("single", "multiple"):
            unique(w, [c["id"] for c in x["choices"]])
            n = sum(bool(c.get("correct")) for c in x["choices"])
            if n < 1 or (x["kind"] == "single" and n != 1):
                err(w, n, "right answers")
        if x["kind"] == "fill" and x["prompt"].count("___") != len(x["blanks"]):
            err(w, "blanks")
        if x["kind"] == "match" and any(len(p) != 2 for p in x["pairs"]):
            err(w, "pairs")


def main():
    total, ids = 0, []
    for sid in sorted(os.listdir(STORIES)):
        d = os.path.join(STORIES, sid)
        if not os.path.isdir(d):
            continue
        load = lambda n: json.load(open(os.path.join(d, n), encoding="utf-8"))
        meta = load("story.json")
        ids.append(meta["id"])
        if meta["id"] != sid or meta["format"] != "carrel-story/1" or meta["license"] != "CC0-1.0" or not 1 <= meta["level"] <= 5:
            err(sid, "story.json")
        if meta["cover"]["ornament"] not in ORNAMENTS or not re.match(r"^#[0-9a-f]{6}$", meta["cover"]["color"]):
            err(sid, "cover")
        vocab = load(meta["vocabulary"])
        words = [e["id"] for e in vocab["entries"]]
        unique(sid + " vocabulary", words)
        for e in vocab["entries"]:
            if not all(e.get(k) for k in ("word", "meaning", "pronunciation", "partOfSpeech", "example")):
                err(sid, e["id"], "lacks a field")
        quiz(sid, load(meta["quiz"]))
        used, named, n = set(), {"story.json", "story.md", meta["vocabulary"], meta["quiz"]}, 0
        ps = pages(sid)
        for i, p in enumerate(ps, 1):
            used |= set(p["words"])
            for f in (p["image"], p["audio"], p["audio"].replace(".mp3", ".vtt")):
                named.add(f)
                if not os.path.exists(os.path.join(d, f)):
                    err(sid, "page", i, "lacks", f)
            said = sentences(p["text"])
            n += len(said)
            cues = CUE.findall(open(os.path.join(d, p["audio"].replace(".mp3", ".vtt")), encoding="utf-8").read())
            if len(cues) != len(said):
                err(sid, "page", i, len(cues), "cues for", len(said), "sentences")
            t = [float(h) * 3600 + float(m) * 60 + float(s) for c in cues for h, m, s in (c[:3], c[3:])]
            if t != sorted(t) or t[-1] > seconds(os.path.join(d, p["audio"])) + .05:
                err(sid, "page", i, "cue times")
            if any(len(s) < 3 or s[0].islower() or not s[0].isalpha() and s[0] not in "“«—" for s in said):
                err(sid, "page", i, "an odd sentence:", said)
        if not 7 <= len(ps) <= 12:
            err(sid, len(ps), "pages")
        if used != set(words):
            err(sid, "words differ:", used ^ set(words))
        if set(os.listdir(d)) != named:
            err(sid, "files differ:", set(os.listdir(d)) ^ named)
        size = sum(os.path.getsize(os.path.join(d, f)) for f in os.listdir(d))
        total += size
        print(f'{sid:32} {meta["lang"]} level {meta["level"]}  {len(ps):2} pages {n:3} sentences {len(words):2} words  {size / 1024:6.0f} KiB')
    unique("stories", ids)
    print(f"all together {total / 1e6:.2f} MB")
    if total > 5.5e6:
        err("more than 5.5 MB")
    for b in bad:
        print("error:", b)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
