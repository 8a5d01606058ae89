"""Diagrams of "First Steps in Fractions"."""

from book import *

HOME = "first-steps-in-fractions/media/"


def bar(d, x, y, w, h, n, shaded, fill=ROSE, stroke=RIBBON):
    for i in range(n):
        d.rect(x + w * i / n, y, w / n, h, fill if i < shaded else "#ffffff", stroke, 1.6)


def anatomy():
    d = Drawing(640, 250, "The parts of a fraction")
    d.serif(150, 112, "3", 84, fill=RIBBON)
    d.line(105, 130, 195, 130, INK, 4)
    d.serif(150, 212, "4", 84, fill=RIVER)
    d.line(268, 82, 208, 82, RIBBON, 1.6, arrow="e")
    d.text(280, 80, "numerator", 20, anchor="start", weight="bold", fill=RIBBON)
    d.text(280, 104, "how many parts we have", 17, anchor="start", fill=FAINT)
    d.line(268, 184, 208, 184, RIVER, 1.6, arrow="e")
    d.text(280, 178, "denominator", 20, anchor="start", weight="bold", fill=RIVER)
    d.text(280, 202, "how many equal parts make one whole", 17, anchor="start", fill=FAINT)
    d.save(HOME + "anatomy.svg")


def fair():
    d = Drawing(640, 270, "Equal and unequal parts")
    d.text(165, 40, "four equal parts", 18)
    bar(d, 45, 60, 240, 80, 4, 3)
    d.fraction(165, 190, 3, 4, 28, RIBBON)
    d.text(165, 246, "shaded", 16, fill=FAINT)
    d.text(475, 40, "four parts, not equal", 18)
    x = 355
    for w, f in ((110, "#ffffff"), (50, SAND), (30, SAND), (50, SAND)):
        d.rect(x, 60, w, 80, f, BRASS, 1.6)
        x += w
    d.text(475, 192, "three parts shaded, but it is", 17)
    d.text(475, 218, "not three quarters", 17)
    d.save(HOME + "fair.svg")


def fold():
    d = Drawing(640, 300, "A strip folded into halves, quarters and eighths")
    for row, (n, name) in enumerate(((1, "one whole"), (2, "halves"), (4, "quarters"), (8, "eighths"))):
        y = 24 + row * 66
        d.rect(40, y, 420, 44, "#ffffff", INK, 1.6)
        if n > 1:
            d.rect(40, y, 420 / n, 44, MOSS, LEAF, 1.6)
        for i in range(1, n):
            x = 40 + 420 * i / n
            d.line(x, y, x, y + 44, LEAF, 1.6, "6 4")
        d.text(485, y + 28, name, 18, anchor="start")
    d.save(HOME + "fold.svg")


def number_line():
    d = Drawing(640, 215, "A number line from 0 to 2 in quarters")
    x0, step = 60, 65
    d.line(40, 95, 610, 95, INK, 2, arrow="e")
    for i in range(9):
        x, whole = x0 + i * step, i % 4 == 0
        d.line(x, 95 - (16 if whole else 10), x, 95 + (16 if whole else 10), INK, 2.4 if whole else 1.6)
        if whole:
            d.serif(x, 64, str(i // 4), 26, weight="bold")
        d.fraction(x, 146, i, 4, 21, RIBBON if i == 5 else INK)
    x = x0 + 5 * step
    d.circle(x, 95, 8, RIBBON)
    d.text(x + 4, 34, "five quarters is one and a quarter", 17, fill=RIBBON)
    d.line(x, 44, x, 80, RIBBON, 1.5, arrow="e")
    d.text(320, 200, "every step is one quarter", 16, fill=FAINT)
    d.save(HOME + "number-line.svg")


def wall():
    d = Drawing(640, 330, "A fraction wall: halves, thirds, quarters, sixths and eighths in equal rows")
    fills = {1: SAND, 2: ROSE, 3: MOSS, 4: ROSE, 6: MOSS, 8: ROSE}
    strokes = {1: BRASS, 2: RIBBON, 3: LEAF, 4: RIBBON, 6: LEAF, 8: RIBBON}
    for row, n in enumerate((1, 2, 3, 4, 6, 8)):
        y = 18 + row * 49
        for i in range(n):
            x, w = 30 + 580 * i / n, 580 / n
            d.rect(x, y, w, 45, fills[n], strokes[n], 1.5)
            if n == 1:
                d.serif(x + w / 2, y + 30, "1", 22)
            else:
                d.fraction(x + w / 2, y + 22, 1, n, 17)
        if n % 2 == 0:
            d.line(320, y, 320, y + 45, INK, 3)
    d.save(HOME + "wall.svg")


def cutting():
    d = Drawing(640, 250, "Two thirds cut again becomes four sixths")
    bar(d, 40, 50, 230, 90, 3, 2, MOSS, LEAF)
    bar(d, 370, 50, 230, 90, 6, 4, MOSS, LEAF)
    d.line(290, 95, 348, 95, INK, 2, arrow="e")
    d.text(320, 30, "cut every part in two", 17, fill=FAINT)
    d.fraction(155, 190, 2, 3, 28, LEAF)
    d.fraction(485, 190, 4, 6, 28, LEAF)
    d.serif(320, 198, "=", 30)
    d.save(HOME + "cutting.svg")


def adding():
    d = Drawing(640, 350, "One half and one third are five sixths")
    rows = ((1, 2, ROSE, RIBBON), (1, 3, MOSS, LEAF))
    d.text(150, 34, "before", 17, fill=FAINT)
    d.text(440, 34, "cut into sixths", 17, fill=FAINT)
    for k, (a, n, f, s) in enumerate(rows):
        y = 52 + k * 84
        bar(d, 40, y, 200, 56, n, a, f, s)
        d.fraction(22 + 244, y + 27, a, n, 20, s)
        bar(d, 340, y, 200, 56, 6, 6 * a // n, f, s)
        d.fraction(570, y + 27, 6 * a // n, 6, 20, s)
        d.line(288, y + 28, 326, y + 28, INK, 1.6, arrow="e")
    d.line(330, 218, 600, 218, INK, 1.6)
    bar(d, 340, 236, 200, 56, 6, 3, ROSE, RIBBON)
    for i in (3, 4):
        d.rect(340 + 200 * i / 6, 236, 200 / 6, 56, MOSS, LEAF, 1.6)
    d.fraction(570, 263, 5, 6, 20)
    d.text(310, 272, "+", 28)
    d.text(440, 326, "three sixths and two sixths: five sixths", 16, fill=FAINT)
    d.save(HOME + "adding.svg")


for draw in (anatomy, fair, fold, number_line, wall, cutting, adding):
    draw()
