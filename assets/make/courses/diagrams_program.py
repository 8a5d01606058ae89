"""Diagrams of "Write a Program That Listens"."""

from book import *

HOME = "write-a-program-that-listens/media/"


def box(d, x, y, w, h, words, fill="#ffffff", stroke=INK, size=18, r=6):
    d.rect(x, y, w, h, fill, stroke, 1.8, r)
    lines = words.split("\n")
    for i, line in enumerate(lines):
        d.text(x + w / 2, y + h / 2 + 6 + (i - (len(lines) - 1) / 2) * 22, line, size)


def loop():
    d = Drawing(640, 250, "A loop that listens, thinks and answers")
    for x, words, f, s in ((40, "listen\ninput()", WATER, RIVER), (245, "think\nif, else", SAND, BRASS), (450, "answer\nprint()", MOSS, LEAF)):
        box(d, x, 50, 150, 80, words, f, s, 19)
    d.line(194, 90, 239, 90, INK, 2, arrow="e")
    d.line(399, 90, 444, 90, INK, 2, arrow="e")
    d.path("M525 134C525 214 115 214 115 136", INK, 2, arrow="e")
    d.text(320, 224, "and round again, until you say stop", 17, fill=FAINT)
    d.save(HOME + "loop.svg")


def journal():
    d = Drawing(640, 310, "Two ways to save a file")
    d.text(165, 38, "write over it", 19, weight="bold", fill=RIBBON)
    d.text(475, 38, "add a line at the end", 19, weight="bold", fill=LEAF)
    for x in (65, 375):
        d.rect(x, 58, 200, 176, "#ffffff", INK, 1.6, 3)
    for i in range(3):
        d.line(85, 88 + i * 30, 240, 88 + i * 30, RULE, 7)
    d.rect(65, 58, 200, 112, ROSE, "none")
    d.text(165, 108, "rubbed out,", 16, fill=RIBBON)
    d.text(165, 130, "not yet rewritten", 16, fill=RIBBON)
    for i in range(4):
        d.line(395, 88 + i * 30, 545, 88 + i * 30, RIVER, 7)
    d.line(395, 208, 470, 208, LEAF, 7)
    d.line(480, 208, 552, 208, RULE, 7, "8 6")
    d.text(165, 266, "power fails: all may be gone", 16)
    d.text(475, 266, "power fails: at worst the", 16)
    d.text(475, 288, "last, half-written line", 16)
    d.save(HOME + "journal.svg")


def outbox():
    d = Drawing(640, 300, "An outbox between you and the server")
    box(d, 24, 92, 120, 76, "you", MOSS, LEAF)
    d.rect(214, 62, 212, 136, SAND, BRASS, 1.8, 6)
    d.text(320, 48, "outbox (a file)", 17, fill=BRASS, weight="bold")
    for i in range(3):
        d.rect(236, 80 + i * 36, 168, 28, "#ffffff", INK, 1.4, 3)
        d.text(320, 100 + i * 36, ("note 7", "note 8", "note 9")[i], 16)
    box(d, 496, 92, 120, 76, "server", WATER, RIVER)
    d.line(148, 130, 208, 130, INK, 2, arrow="e")
    d.text(178, 118, "1", 17, weight="bold")
    d.line(430, 116, 490, 116, INK, 2, arrow="e")
    d.text(460, 104, "2", 17, weight="bold")
    d.line(490, 148, 430, 148, LEAF, 2, arrow="e")
    d.text(460, 172, "3", 17, weight="bold", fill=LEAF)
    d.text(40, 238, "1. write it down first, at once", 16, anchor="start")
    d.text(40, 262, "2. send when there is a network; send again if in doubt", 16, anchor="start")
    d.text(40, 286, "3. cross it out only when the server says it has it", 16, anchor="start", fill=LEAF)
    d.save(HOME + "outbox.svg")


def merge():
    d = Drawing(640, 330, "Two devices merge by keeping the larger number")
    d.text(60, 34, "phone", 17, weight="bold", anchor="start", fill=RIBBON)
    d.text(60, 314, "laptop", 17, weight="bold", anchor="start", fill=RIVER)
    def page(x, y, n, f, s):
        d.circle(x, y, 27, f, s, 2)
        d.serif(x, y + 8, str(n), 24)
    d.line(107, 150, 170, 84, RIBBON, 2, arrow="e")
    d.line(107, 184, 170, 250, RIVER, 2, arrow="e")
    d.line(223, 70, 284, 70, RIBBON, 2, arrow="e")
    d.line(223, 264, 284, 264, RIVER, 2, arrow="e")
    d.line(340, 82, 404, 148, RIBBON, 2, arrow="e")
    d.line(340, 252, 404, 186, RIVER, 2, arrow="e")
    page(85, 167, 12, "#ffffff", INK)
    page(196, 70, 15, ROSE, RIBBON)
    page(312, 70, 31, ROSE, RIBBON)
    page(196, 264, 18, WATER, RIVER)
    page(312, 264, 20, WATER, RIVER)
    page(425, 167, 31, MOSS, LEAF)
    d.text(468, 152, "max(31, 20) = 31", 18, anchor="start", fill=LEAF)
    d.text(468, 178, "asked twice,", 16, anchor="start", fill=FAINT)
    d.text(468, 200, "still 31", 16, anchor="start", fill=FAINT)
    d.text(254, 160, "no network", 16, fill=FAINT, style="italic")
    d.text(254, 182, "between them", 16, fill=FAINT, style="italic")
    d.save(HOME + "merge.svg")


def counters():
    d = Drawing(640, 290, "A counter kept as one number for each device")
    for x, name, nums, f, s in (
        (40, "phone's page", (7, 2), ROSE, RIBBON),
        (240, "laptop's page", (4, 5), WATER, RIVER),
        (440, "merged page", (7, 5), MOSS, LEAF),
    ):
        d.text(x + 80, 36, name, 17, weight="bold", fill=s)
        d.rect(x, 52, 160, 128, f, s, 1.8, 6)
        for i, (who, n) in enumerate(zip(("phone", "laptop"), nums)):
            y = 98 + i * 50
            d.text(x + 18, y, who, 17, anchor="start")
            d.serif(x + 138, y + 2, str(n), 25, anchor="end")
        d.line(x + 14, 116, x + 146, 116, s, 1)
    d.line(206, 116, 234, 116, INK, 1.6, arrow="se")
    d.line(406, 116, 434, 116, INK, 1.6, arrow="e")
    for x, words in ((120, "7 + 2 = 9"), (320, "4 + 5 = 9"), (520, "7 + 5 = 12")):
        d.serif(x, 214, words, 20)
    d.text(320, 262, "merge row by row with max, then add the rows up", 17, fill=FAINT)
    d.save(HOME + "counters.svg")


for draw in (loop, journal, outbox, merge, counters):
    draw()
