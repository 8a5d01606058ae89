"""Diagrams of "Waves and Sound"."""

from math import cos, pi, sin

from book import *

HOME = "waves-and-sound/media/"


def sine(x0, x1, y, amp, length, phase=0.0):
    return [(x, y - amp * sin(2 * pi * (x - x0) / length + phase)) for x in range(int(x0), int(x1) + 1, 2)]


def parts():
    d = Drawing(640, 300, "The parts of a wave")
    d.line(40, 150, 606, 150, INK, 1.3, arrow="e")
    d.curve(sine(60, 580, 150, 78, 260), stroke=RIVER, width=3.4)
    d.line(125, 54, 385, 54, RIBBON, 1.7, arrow="se")
    d.line(125, 48, 125, 74, RIBBON, 1)
    d.line(385, 48, 385, 74, RIBBON, 1)
    d.text(255, 42, "wavelength λ", 18, fill=RIBBON)
    d.line(385, 146, 385, 76, LEAF, 1.7, arrow="se")
    d.text(434, 98, "amplitude A", 18, anchor="start", fill=LEAF)
    d.text(125, 96, "crest", 16, fill=FAINT)
    d.text(255, 256, "trough", 16, fill=FAINT)
    d.text(600, 176, "x", 19, face="serif", style="italic")
    d.line(420, 272, 520, 272, INK, 1.8, arrow="e")
    d.text(530, 278, "speed v", 18, anchor="start")
    d.save(HOME + "parts.svg")


def two_kinds():
    d = Drawing(640, 340, "A transverse wave and a longitudinal wave")
    d.text(40, 36, "transverse: across", 18, anchor="start", weight="bold", fill=RIVER)
    pts = sine(40, 600, 100, 34, 186)
    d.curve(pts, stroke=RULE, width=2)
    for x, y in pts[::8]:
        d.circle(x, y, 4.2, RIVER)
    d.line(22, 78, 22, 122, RIBBON, 1.8, arrow="se")
    d.text(40, 186, "longitudinal: along", 18, anchor="start", weight="bold", fill=LEAF)
    for row in range(4):
        for k in range(60):
            x = 46 + k * 9.4
            d.circle(x + 11 * sin(2 * pi * (x - 40) / 186), 214 + row * 18, 3.1, LEAF)
    d.line(8, 240, 38, 240, RIBBON, 1.8, arrow="se")
    d.text(134, 306, "compression", 16)
    d.text(412, 306, "rarefaction", 16)
    d.line(500, 36 - 6, 590, 30, INK, 1.8, arrow="e")
    d.text(490, 36, "the wave travels", 16, anchor="end", fill=FAINT)
    d.save(HOME + "two-kinds.svg")


def circle():
    d = Drawing(640, 270, "A sine is the height of a point going round a circle")
    cx, cy, r, a = 120, 135, 84, 0.9
    d.circle(cx, cy, r, "#ffffff", INK, 1.6)
    d.line(20, cy, 612, cy, INK, 1.2, arrow="e")
    d.curve(sine(250, 592, cy, r, 300), stroke=RIVER, width=3.2)
    px, py = cx + r * cos(a), cy - r * sin(a)
    qx = 250 + 300 * a / (2 * pi)
    d.line(cx, cy, px, py, RIBBON, 2.4)
    d.line(px, py, qx, py, BRASS, 1.5, "5 4")
    d.line(px, cy, px, py, BRASS, 2)
    d.line(qx, cy, qx, py, BRASS, 2)
    d.circle(px, py, 6, RIBBON)
    d.circle(qx, py, 6, RIBBON)
    d.path(f"M{cx + 30} {cy}A30 30 0 0 0 {cx + 30 * cos(a):.1f} {cy - 30 * sin(a):.1f}", RIBBON, 1.5)
    d.serif(cx + 46, cy - 13, "φ", 19, fill=RIBBON, style="italic")
    d.serif(cx - 4 + 24, cy - 46, "A", 19, style="italic", anchor="end")
    d.text(475, 66, "height = A sin φ", 19, face="serif", fill=BRASS)
    d.text(600, 160, "φ", 19, face="serif", style="italic")
    d.text(400, cy + 22, "π", 17, face="serif", anchor="end")
    d.text(556, cy + 22, "2π", 17, face="serif")
    d.save(HOME + "circle.svg")


def superpose():
    d = Drawing(640, 382, "Waves in step and waves out of step")
    for x0, title, ph in ((30, "in step", 0), (340, "out of step", pi)):
        d.text(x0 + 135, 34, title, 18, weight="bold")
        for y, c, p, amp in ((84, RIBBON, 0, 27), (164, RIVER, ph, 27)):
            d.line(x0, y, x0 + 270, y, RULE, 1.2)
            d.curve(sine(x0, x0 + 270, y, amp, 135, p), stroke=c, width=2.6)
        d.line(x0, 214, x0 + 270, 214, INK, 1)
        d.line(x0, 284, x0 + 270, 284, RULE, 1.2)
        d.curve(sine(x0, x0 + 270, 284, 54 if ph == 0 else 0, 135), stroke=LEAF, width=3.4)
        d.text(x0 + 135, 360, "twice the height" if ph == 0 else "silence", 16, fill=LEAF)
    d.text(320, 130, "+", 22)
    d.text(320, 290, "=", 22)
    d.save(HOME + "superpose.svg")


def beats():
    d = Drawing(640, 260, "Two near tones make beats")
    d.line(30, 130, 615, 130, RULE, 1.2)
    pts, env = [], []
    for i in range(0, 571):
        t = i / 570
        e = cos(2 * pi * 1.5 * t)
        pts.append((35 + i, 130 - 80 * e * sin(2 * pi * 30 * t)))
        env.append((35 + i, 80 * abs(e)))
    d.curve(pts, stroke=RIVER, width=1.5)
    d.curve([(x, 130 - y) for x, y in env], stroke=RIBBON, width=2.4, dash="7 5")
    d.curve([(x, 130 + y) for x, y in env], stroke=RIBBON, width=2.4, dash="7 5")
    for x, w in ((35, "loud"), (130, "quiet"), (225, "loud"), (320, "quiet"), (415, "loud"), (510, "quiet"), (598, "loud")):
        d.text(x + (18 if x == 35 else 0), 242, w, 16, fill=FAINT)
    d.text(320, 30, "one beat", 17, fill=RIBBON)
    d.line(225, 40, 415, 40, RIBBON, 1.5, arrow="se")
    d.save(HOME + "beats.svg")


def harmonics():
    d = Drawing(640, 400, "The first four ways a string can swing")
    for n in range(1, 5):
        y = 52 + (n - 1) * 94
        for s, dash in ((1, ""), (-1, "6 5")):
            d.curve([(60 + x, y - s * 30 * sin(pi * n * x / 360)) for x in range(0, 361, 2)], stroke=RIVER, width=2.6 if s == 1 else 1.6, dash=dash)
        for k in range(n + 1):
            d.circle(60 + 360 * k / n, y, 5, INK if k in (0, n) else RIBBON)
        d.serif(24, y + 7, str(n), 22)
        d.serif(450, y - 4, ("λ = 2L", "λ = L", "λ = 2L/3", "λ = L/2")[n - 1], 19, anchor="start")
        d.serif(450, y + 22, ("f = v/2L", "2f", "3f", "4f")[n - 1], 19, anchor="start", fill=LEAF)
    d.text(240, 388, "red dots are nodes: there the string never moves", 16, fill=FAINT)
    d.save(HOME + "harmonics.svg")


for draw in (parts, two_kinds, circle, superpose, beats, harmonics):
    draw()
