"""Diagrams of "How Rivers Work"."""

from book import *

HOME = "how-rivers-work/media/"


def smooth(points):
    """A soft path through points (Catmull-Rom as cubic Béziers)."""
    p = [points[0], *points, points[-1]]
    out = f"M{p[1][0]:.1f} {p[1][1]:.1f}"
    for i in range(1, len(p) - 2):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = p[i - 1 : i + 3]
        out += f"C{x1 + (x2 - x0) / 6:.1f} {y1 + (y2 - y0) / 6:.1f} {x2 - (x3 - x1) / 6:.1f} {y2 - (y3 - y1) / 6:.1f} {x2:.1f} {y2:.1f}"
    return out


def basin():
    d = Drawing(640, 400, "A drainage basin")
    rim = [(330, 30), (220, 44), (120, 96), (80, 180), (130, 262), (220, 310), (296, 352), (330, 366), (372, 350), (450, 310), (548, 250), (572, 160), (500, 80), (420, 40), (330, 30)]
    d.path(smooth(rim), BRASS, 2.5, MOSS, "9 6")
    main = [(300, 62), (312, 110), (296, 160), (322, 210), (316, 262), (334, 312), (330, 352)]
    for branch, w in (
        ([(150, 120), (196, 142), (240, 138), (299, 168)], 3),
        ([(190, 84), (214, 110), (240, 138)], 2),
        ([(122, 204), (180, 212), (236, 236), (316, 258)], 3),
        ([(176, 262), (204, 246), (236, 236)], 2),
        ([(400, 70), (388, 110), (352, 134), (305, 140)], 2.5),
        ([(536, 160), (478, 170), (420, 204), (322, 222)], 3.5),
        ([(486, 104), (470, 140), (478, 170)], 2),
        ([(518, 236), (460, 250), (404, 268), (326, 290)], 2.5),
    ):
        d.path(smooth(branch), RIVER, w)
    d.path(smooth(main), RIVER, 5.5)
    d.path("M330 352C332 366 326 376 332 392", RIVER, 7)
    d.text(20, 40, "watershed", 17, anchor="start", fill=BRASS, weight="bold")
    d.path("M64 50C80 64 96 78 110 94", BRASS, 1.4, arrow="e")
    d.text(620, 40, "source", 17, anchor="end", fill=INK)
    d.path("M560 38C470 22 380 34 312 58", INK, 1.3, arrow="e")
    d.text(620, 320, "tributary", 17, anchor="end", fill=RIVER)
    d.path("M578 302C566 280 540 214 498 178", RIVER, 1.4, arrow="e")
    d.text(150, 372, "confluence", 17, fill=RIVER)
    d.path("M170 352C210 318 258 282 308 263", RIVER, 1.4, arrow="e")
    d.text(410, 388, "outlet", 17, fill=INK)
    d.line(380, 383, 342, 383, INK, 1.3, arrow="e")
    d.save(HOME + "basin.svg")


def profile():
    d = Drawing(640, 330, "The long profile of a river")
    pts = [(60 + i * 5.3, 58 + 200 * (1 - 2.71828 ** (-i / 27))) for i in range(101)]
    d.path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in pts) + "L590 262L60 262Z", "none", 0, SAND)
    d.curve(pts, stroke=RIVER, width=4)
    d.line(60, 40, 60, 262, INK, 1.5)
    d.line(60, 262, 600, 262, INK, 1.5)
    d.add(f'<text transform="translate(38 160) rotate(-90)" font-family="sans-serif" font-size="16" fill="{FAINT}" text-anchor="middle">height</text>')
    d.text(596, 312, "distance from the source", 16, fill=FAINT, anchor="end")
    d.text(90, 52, "source", 17, anchor="start")
    d.text(590, 236, "mouth", 17, anchor="end")
    for x in (225, 400):
        d.line(x, 80, x, 262, RULE, 1.5, "5 5")
    for x, name, what in ((142, "upper course", ""), (312, "middle course", ""), (500, "lower course", "")):
        d.text(x, 286, name, 17, weight="bold")
    d.text(312, 108, "wider valley,", 15, fill=FAINT)
    d.text(312, 128, "bends begin", 15, fill=FAINT)
    d.text(500, 108, "flat plain,", 15, fill=FAINT)
    d.text(500, 128, "wide slow bends", 15, fill=FAINT)
    d.text(112, 240, "steep, rocky", 15, fill=FAINT)
    d.save(HOME + "profile.svg")


def load():
    d = Drawing(640, 340, "Four ways a river carries its load")
    waves = "M20 52" + "q25 -10 50 0t50 0" * 6
    d.path(waves + "L620 260L20 260Z", "none", 0, WATER)
    d.path(waves, RIVER, 2)
    d.path("M20 260L620 260L620 290L20 290Z", "none", 0, SAND)
    d.line(20, 260, 620, 260, BRASS, 2)
    d.line(36, 82, 126, 82, RIVER, 2.2, arrow="e")
    d.text(138, 88, "current", 16, anchor="start", fill=RIVER, style="italic")
    for k in range(40):
        d.circle(40 + (k * 61.8) % 440, 106 + (k * 23.3) % 34, 1.3, RIVER)
    for k in range(34):
        d.circle(36 + (k * 0.618 % 1) * 440, 150 + (k * 0.755 % 1) * 42, 2.4, LEAF)
    d.path("M330 256C344 206 384 206 398 254C412 214 446 214 460 252", BRASS, 1.6, dash="4 4", arrow="e")
    for x, y in ((333, 251), (364, 219), (398, 250), (430, 223)):
        d.circle(x, y, 5, BRASS)
    for x, r in ((70, 17), (116, 12), (166, 19)):
        d.circle(x, 259 - r, r, "#b9ab8b", INK, 1.4)
    d.path("M196 240a20 20 0 0 1 36 4", INK, 1.6, arrow="e")
    d.text(608, 128, "solution", 17, anchor="end", weight="bold", fill=RIVER)
    d.text(608, 178, "suspension", 17, anchor="end", weight="bold", fill=LEAF)
    d.text(608, 238, "saltation", 17, anchor="end", weight="bold", fill=BRASS)
    d.text(118, 216, "traction", 17, weight="bold")
    d.text(320, 320, "small grains ride high, big stones roll along the bed", 16, fill=FAINT)
    d.save(HOME + "load.svg")


def bend():
    d = Drawing(640, 330, "A slice through a river bend")
    bed = "M40 100L104 102C200 118 290 180 400 226C470 252 520 240 534 190L538 84L600 80"
    d.path(bed + "L600 300L40 300Z", "none", 0, SAND)
    d.path("M127 108C200 122 290 180 400 226C470 252 520 240 534 190L537 108Z", "none", 0, WATER)
    d.line(127, 108, 537, 108, RIVER, 2)
    d.path(bed, BRASS, 2.5)
    d.path("M470 134C512 138 516 196 478 222", RIVER, 2.4, arrow="e")
    d.path("M446 224C372 200 320 172 262 138", RIVER, 2.4, arrow="e")
    d.path("M300 124C350 118 400 120 446 128", RIVER, 2.4, arrow="e")
    d.text(404, 174, "spiral flow", 16, fill=RIVER, style="italic")
    d.text(104, 56, "inside of the bend", 18, weight="bold")
    d.text(104, 80, "point bar: a beach grows", 15, fill=FAINT)
    d.text(540, 46, "outside", 18, weight="bold")
    d.text(540, 68, "cliff: undercut", 15, fill=FAINT)
    d.text(330, 290, "deep and fast near the cliff, shallow and slow near the beach", 16, fill=INK)
    d.save(HOME + "bend.svg")


def oxbow():
    d = Drawing(640, 360, "How an oxbow lake is made, in four steps")

    def river(points, ox, oy, w=17, fill=RIVER, cap="butt"):
        d.path(smooth([(x + ox, y + oy) for x, y in points]), fill, w, cap=cap)

    cells = ((20, 16), (330, 16), (20, 190), (330, 190))
    names = ("1. a bend", "2. a narrow neck", "3. a flood cuts through", "4. an oxbow lake")
    for (x, y), name in zip(cells, names):
        d.rect(x, y, 290, 154, MOSS, RULE, 1.2, 6)
        d.text(x + 12, y + 144, name, 16, anchor="start", weight="bold")
    river([(0, 92), (60, 96), (104, 78), (145, 40), (186, 78), (230, 96), (290, 92)], *cells[0])
    loop = [(0, 102), (70, 108), (118, 104), (124, 84), (90, 60), (106, 24), (148, 16), (188, 26), (202, 60), (166, 84), (172, 104), (222, 108), (290, 102)]
    river(loop, *cells[1])
    x, y = cells[1]
    d.line(x + 128, y + 120, x + 166, y + 120, RIBBON, 1.6, arrow="se")
    river(loop, *cells[2])
    x, y = cells[2]
    river([(96, 107), (145, 106), (196, 107)], *cells[2])
    d.line(x + 110, y + 106, x + 184, y + 106, PAPER, 2.2, arrow="e")
    x, y = cells[3]
    river([(0, 102), (70, 107), (145, 106), (222, 107), (290, 102)], *cells[3])
    river([(112, 70), (96, 56), (108, 26), (148, 18), (186, 28), (196, 56), (180, 70)], *cells[3], cap="round")
    d.text(x + 148, y + 62, "lake", 16, fill=RIVER, style="italic")
    d.save(HOME + "oxbow.svg")


def hydrograph():
    d = Drawing(640, 350, "A flood hydrograph for a forest and a town")
    d.line(70, 30, 70, 280, INK, 1.5)
    d.line(70, 280, 610, 280, INK, 1.5)
    for i, h in enumerate((40, 78, 62, 26)):
        d.rect(92 + i * 22, 280 - h, 19, h, WATER, RIVER, 1.2)

    def flow(t, peak, high, rise, fall):
        base = 30
        s = (t - peak)
        return base + (high - base) * 2.71828 ** (-(s * s) / (2 * (rise if s < 0 else fall) ** 2))

    town = [(70 + t, 280 - flow(t, 165, 215, 42, 62)) for t in range(0, 535, 5)]
    wood = [(70 + t, 280 - flow(t, 300, 120, 105, 130)) for t in range(0, 535, 5)]
    d.curve(wood, stroke=LEAF, width=3.2)
    d.curve(town, stroke=RIBBON, width=3.2)
    d.text(262, 56, "town: fast and high", 17, anchor="start", fill=RIBBON, weight="bold")
    d.text(398, 142, "forest: slow and low", 17, anchor="start", fill=LEAF, weight="bold")
    d.text(124, 190, "rain", 16, fill=RIVER)
    d.line(128, 48, 232, 48, RIBBON, 1.4, arrow="se")
    d.text(180, 38, "lag", 15, fill=RIBBON)
    d.line(128, 54, 128, 176, RULE, 1.3, "4 4")
    for i in range(1, 6):
        d.line(70 + i * 90, 280, 70 + i * 90, 286, INK, 1.4)
        d.text(70 + i * 90, 304, f"{i * 6} h", 15, fill=FAINT)
    d.text(600, 334, "hours since the rain began", 16, anchor="end", fill=FAINT)
    d.add(f'<text transform="translate(44 155) rotate(-90)" font-family="sans-serif" font-size="16" fill="{FAINT}" text-anchor="middle">flow in the river</text>')
    d.save(HOME + "hydrograph.svg")


for draw in (basin, profile, load, bend, oxbow, hydrograph):
    draw()
