"""A quick look over the courses before the real check: JSON, ids, references, captions, lengths. Prints every problem."""

import json
import re
import sys

from book import COURSES

ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)(?: \"[^\"]*\")?\)")
LINK = re.compile(r"(?<!!)\[(?:[^\]]*)\]\(((?:word|section):[^)]+)\)")
KINDS = {"TEXT", "VIDEO", "QUIZ", "ACTIVITY", "ASSESSMENT"}
problems, seen, used = [], {"types": set(), "kinds": set()}, set()


def bad(where, what):
    problems.append(f"{where}: {what}")


def load(path):
    used.add(path)
    return json.loads(path.read_text(encoding="utf-8"))


def ident(where, value, pool):
    if not ID.match(value):
        bad(where, f"id {value!r}")
    if value in pool:
        bad(where, f"id {value!r} twice")
    pool.add(value)


def maths(where, text):
    if len(re.findall(r"(?<!\\)\$", re.sub(r"`[^`]*`", "", text))) % 2:
        bad(where, f"odd number of $ in {text[:60]!r}")


def media(where, base, ref, alt):
    path = (base / ref).resolve()
    if not path.exists():
        return bad(where, f"no file {ref}")
    used.add(path)
    if path.suffix in (".mp3", ".mp4"):
        for side in (".vtt", ".md") if "/stories/" not in str(path) else (".vtt",):
            if not path.with_suffix(side).exists():
                bad(where, f"{ref} has no {side}")
            used.add(path.with_suffix(side))
        if path.suffix == ".mp4" and not path.with_suffix(".jpg").exists():
            bad(where, f"{ref} has no poster")
    if not alt:
        bad(where, f"{ref} has no alt text")


def quiz(path, ids):
    q, where = load(path), str(path.relative_to(COURSES))
    if q["format"] != "carrel-quiz/1":
        bad(where, "format")
    ident(where, q["id"], ids)
    own = set()
    for n in q["questions"]:
        at = f"{where}#{n['id']}"
        ident(at, n["id"], own)
        seen["kinds"].add(n["kind"])
        for text in re.findall(r'"((?:[^"\\]|\\.)*)"', json.dumps(n, ensure_ascii=False)):
            maths(at, json.loads(f'"{text}"'))
        right = [c for c in n.get("choices", []) if c.get("correct")]
        ids_of = [c["id"] for c in n.get("choices", [])]
        if len(set(ids_of)) != len(ids_of):
            bad(at, "choice id twice")
        if n["kind"] == "single" and len(right) != 1 or n["kind"] == "multiple" and not right:
            bad(at, "right answers")
        if n["kind"] == "fill" and n["prompt"].count("___") != len(n["blanks"]):
            bad(at, "blanks")
        if n["kind"] == "order" and len(set(n["items"])) != len(n["items"]):
            bad(at, "items")
        if n["kind"] == "match" and any(len({p[i] for p in n["pairs"]}) != len(n["pairs"]) for i in (0, 1)):
            bad(at, "pairs not one to one")
        if "image" in n:
            media(at, path.parent, n["image"], n.get("alt"))
        if "audio" in n and not (path.parent / n["audio"]).exists():
            bad(at, "audio")
        elif "audio" in n:
            media(at, path.parent, n["audio"], "heard")


def words_of(path):
    pool = set()
    for e in load(path)["entries"]:
        ident(str(path.relative_to(COURSES)), e["id"], pool)
        if not e["word"] or not e["meaning"]:
            bad(path, e["id"])
        if "image" in e:
            media(path, path.parent, e["image"], e.get("alt"))
        if "audio" in e:
            if not (path.parent / e["audio"]).exists():
                bad(path, f"no file {e['audio']}")
            used.add((path.parent / e["audio"]).resolve())
    return pool


def story(folder, ids):
    s, where = load(folder / "story.json"), str(folder.relative_to(COURSES))
    ident(where, s["id"], ids)
    pool = words_of(folder / s["vocabulary"])
    quiz(folder / s["quiz"], ids)
    used.add(folder / "story.md")
    for page in (folder / "story.md").read_text(encoding="utf-8").split("\n##")[1:]:
        for alt, ref in IMAGE.findall(page):
            media(where, folder, ref, alt)
        for target in LINK.findall(page):
            if target[5:] not in pool:
                bad(where, target)
        text = re.sub(r"\[([^\]]*)\]\(word:[^)]*\)", r"\1", IMAGE.sub("", page))
        sentences = len(re.findall(r"[.!?]”?(?=\s|$)", text))
        cues = (folder / re.search(r"\((\d+)\.mp3", page)[1]).with_suffix(".vtt").read_text().count("-->")
        if sentences != cues:
            bad(where, f"{sentences} sentences, {cues} cues: {text.strip()[:40]}")


for home in sorted(p for p in COURSES.iterdir() if p.is_dir()):
    c, ids = load(home / "course.json"), set()
    for key in ("format", "id", "title", "lang", "difficulty", "license", "lessons"):
        if key not in c:
            bad(home.name, f"no {key}")
    if c["id"] != home.name:
        bad(home.name, "id is not the folder's name")
    pool = words_of(home / c["vocabulary"])
    places, lessons = set(), set()
    for lesson in c["lessons"]:
        ident(home.name, lesson["id"], lessons)
        own = set()
        for s in lesson["sections"]:
            ident(f"{home.name}/{lesson['id']}", s["id"], own)
            places.add(f"{lesson['id']}/{s['id']}")
            seen["types"].add(s["type"])
            if s["type"] not in KINDS or ("quiz" in s) != (s["type"] in ("QUIZ", "ASSESSMENT")):
                bad(home.name, s)
    for folder in c.get("stories", []):
        story(home / folder, ids)
    for lesson in c["lessons"]:
        for s in lesson["sections"]:
            if "quiz" in s:
                quiz(home / s["quiz"], ids)
            if "file" not in s:
                continue
            path = home / s["file"]
            used.add(path)
            text, where = path.read_text(encoding="utf-8"), str(path.relative_to(COURSES))
            for block in re.split(r"\n\n+", re.sub(r"```.*?```", "", text, flags=re.S)):
                maths(where, block)
                for alt, ref in IMAGE.findall(block):
                    if IMAGE.sub("", block).strip():
                        bad(where, f"{ref} does not stand alone")
                    target = (path.parent / ref).resolve()
                    if ref.endswith(".json"):
                        quiz(target, ids)
                    elif (target / "story.json").exists():
                        pass
                    else:
                        media(where, path.parent, ref, alt)
            for target in LINK.findall(text):
                kind, name = target.split(":", 1)
                if name not in (pool if kind == "word" else places):
                    bad(where, target)
            for note in set(re.findall(r"\[\^(\w+)\]", text)):
                if text.count(f"[^{note}]") != 2:
                    bad(where, f"footnote {note}")
            if "-v" in sys.argv:
                print(f"{len(re.sub(IMAGE, '', text).split()):5} words  {where}")
for path in COURSES.rglob("*"):
    if path.is_file() and path.resolve() not in used and path.name != "LICENSE" and path.with_suffix(".mp4") not in used:
        bad(path.relative_to(COURSES), "is used by nothing")
if len(seen["types"]) != 5 or len(seen["kinds"]) != 5:
    bad("all", seen)
print("\n".join(problems) or "nothing to complain of")
sys.exit(bool(problems))
