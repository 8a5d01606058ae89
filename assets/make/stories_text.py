"""Reads a story.md: its pages, their plain text, and the sentences as Unicode (UAX #29) splits them."""
import os
import re

from uniseg.sentencebreak import sentences as uax29

HERE = os.path.dirname(os.path.abspath(__file__))
STORIES = os.path.join(os.path.dirname(HERE), "stories")
BLOCK = re.compile(r"^!\[(?P<alt>[^\]]+)\]\((?P<file>[^) ]+)[^)]*\)$")
WORD = re.compile(r"\[([^\]]+)\]\(word:([a-z0-9-]+)\)")


def pages(story):
    out = []
    with open(os.path.join(STORIES, story, "story.md"), encoding="utf-8") as f:
        for line in f.read().split("\n"):
            if line.startswith("##"):
                out.append({"text": [], "image": None, "audio": None, "words": []})
            elif out and line.strip():
                m = BLOCK.match(line.strip())
                if m:
                    out[-1]["audio" if m["file"].endswith(".mp3") else "image"] = m["file"]
                else:
                    out[-1]["words"] += [w for _, w in WORD.findall(line)]
                    out[-1]["text"].append(WORD.sub(r"\1", line.strip()))
    return out


def sentences(paragraphs, lang=None):
    return [s.strip() for p in paragraphs for s in uax29(p) if s.strip()]
