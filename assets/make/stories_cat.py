"""Pictures for the Arabic story of the cat who did not ask."""
from stories_kit import *

S = "al-qitta-allati-lam-tasal"
SALMA = dict(skin="#b07a52", top="#d9703f", bottom="#34567a", hair="#2a1a1c", style="braids", kid=True, legs="robe")
JADD = dict(skin="#a26d48", top="#f1e4cd", bottom="#e2d3b4", hair="#efe9de", style="thin", beard="full", hat="kufi", hatc="#3f6b5a", legs="robe", sleeve="#dccaa6")
SALIM = dict(skin="#9a6240", top="#3f7480", bottom="#2f3653", hair="#241812", style="short", beard="moustache", hat="kufi", hatc="#f1e4cd", front=path("M-10,-66H10L13,-34Q0,-28 -13,-34Z", "#f1e4cd"))
BAKER = dict(skin="#b07a52", top="#e9cf9a", bottom="#7a4a34", hair="#241812", style="wrap", hatc="#b2452f", beard="full")
DATES = dict(skin="#8a5636", top="#7a4a7a", bottom="#5a3560", hair="#5a3560", style="scarf", legs="robe")


def night(lit=True):
    o = sky("#1f2348", "#5a4a78" if lit else "#2a2c50", 6, 620, 2) + stars(60 if not lit else 34, 330) + moon(1030, 120, 40, "#f6e7bd", "#232750")
    return o + layer(*[rect(x, y, w, 500, "#33305a" if lit else "#1b1d3c") for x, y, w in ((-10, 300, 190), (180, 250, 150), (460, 290, 220), (820, 240, 180), (1010, 310, 210))], path("M560,250V200a34,34 0 0 1 68,0V300H560Z", "#33305a" if lit else "#1b1d3c"), rect(356, 120, 52, 400, "#33305a" if lit else "#1b1d3c"), path("M346,124L382,50L418,124Z", "#3f3a68" if lit else "#1f2144")) + ("".join(rect(x, y, 20, 30, "#f6cf7a", 3) for x, y in ((30, 350), (110, 400), (220, 310), (500, 350), (600, 400), (870, 300), (940, 370), (1080, 370))) if lit else "")


def stall(x, y, w, a, b, goods="", roof=True):
    o = (rect(0, -330, 14, 330, "#5a3a2c") + rect(w - 14, -330, 14, 330, "#5a3a2c")) * roof + rect(-10, -120, w + 20, 130, "#8a5434", 4) + rect(-10, -120, w + 20, 18, "#a8683a", 4) + goods
    o = g(o, awning(-24, -352, w + 48, 64, a, b, 8) * roof, x=x, y=y, shadow=True)
    return o


def loaves(x0, y, n=5):
    return "".join(ell(x0 + i * 42, y - 12 - (i % 2) * 3, 28, 15, "#d9984c") + curve(f"M{x0 + i * 42 - 12},{y - 16}l24,4", "#a8683a", 3) for i in range(n))


def dates(x0, y, n=4):
    return "".join(path(f"M{x0 + i * 60 - 26},{y}Q{x0 + i * 60},{y - 54} {x0 + i * 60 + 26},{y}Z", "#5a2f22") + "".join(ell(x0 + i * 60 + k * 9, y - 10 - abs(2 - abs(k)) * 8, 7, 4.5, "#8a4a2c") for k in (-2, -1, 0, 1, 2)) for i in range(n))


def fishes(x0, y, n=3, big=True):
    return rect(x0 - 60, y - 8, 300, 12, "#cfdcdc", 4) + "".join(fish(x0 + 20 + i * 84, y - 20, .5, c) for i, c in zip(range(n), ("#8fa3a8", "#b98a7a", "#8fa3a8"))) + (fish(x0 + 90, y - 52, .95, "#7f9aa8") if big else "")


def teapot(x, y, s):
    return g(curve("M40,-50q40,-10 34,-50", "#b7863a", 10), curve("M-42,-30q-36,-10 -30,-40q4,-18 26,-12", "#b7863a", 9), path("M-46,0Q-60,-70 -20,-86H20Q60,-70 46,0Z", "#d9a84a"), path("M-22,-84Q0,-112 22,-84Z", "#b7863a"), circ(0, -104, 6, "#b7863a"), x=x, y=y, s=s, shadow=True)


def fire(x, y, s):
    return g(*[circ(0, -40, r, "#ffb45a", opacity=.12) for r in (330, 230, 140)], line([(-60, 0), (60, -16)], "#4a2f26", 18), line([(-60, -16), (60, 0)], "#5a3a2c", 18), path("M-46,-10Q-56,-60 -20,-90Q-16,-60 0,-130Q40,-90 24,-62Q50,-70 46,-10Z", "#e2703a"), path("M-24,-10Q-30,-44 0,-84Q30,-50 24,-10Z", "#ffc861"), x=x, y=y, s=s)


def ground(c="#7a5058"):
    return layer(rect(0, 690, W, 220, c)) + "".join(rect((i * 173 + (i % 2) * 60) % 1200 - 40, 714 + (i % 5) * 40, 120, 28, dark(c, .1), 8) for i in range(22))


LIGHTS = bulbs(-20, 120, 420, 90, 7) + bulbs(420, 90, 830, 120, 7) + bulbs(830, 120, 1220, 80, 7)


def main():
    # 1
    save(S, 1, night(), LIGHTS, ground(), person(190, 745, 255, **DATES, look=.4), person(570, 745, 255, **BAKER), stall(50, 760, 280, "#7a4a7a", "#f1e4cd", dates(50, -120)), stall(430, 760, 280, "#b2452f", "#f1e4cd", loaves(60, -118)), person(970, 750, 262, **SALIM, look=-.3), stall(810, 760, 320, "#3f7480", "#f1e4cd", fishes(70, -120)))
    # 2
    save(S, 2, night(), LIGHTS, ground(), person(350, 760, 470, **JADD, look=-.2), person(160, 860, 400, **SALMA, look=.6, ra=(24, -58)), layer(rect(250, 690, 250, 190, "#8a5434", 4), rect(230, 670, 290, 30, "#a8683a", 6)), teapot(380, 672, .95), *[g(path("M-16,-40H16L12,0H-12Z", "#c9703f", opacity=.95), rect(-16, -42, 32, 8, "#f6e7bd", 2), x=x, y=672) for x in (282, 480)], person(940, 765, 268, **SALIM, look=-.6), stall(740, 780, 400, "#3f7480", "#f1e4cd", fishes(120, -120)), cat(620, 860, 1.25, eyes=True))
    # 3
    save(S, 3, night(False), ground("#1d1c38"), stall(60, 760, 280, "#26284a", "#2f3256").replace("#8a5434", "#22203c").replace("#a8683a", "#2a2848").replace("#5a3a2c", "#1b1a34"), stall(830, 760, 320, "#26284a", "#2f3256").replace("#8a5434", "#22203c").replace("#a8683a", "#2a2848").replace("#5a3a2c", "#1b1a34"), *[g(ell(-16, 0, 11, 14, "#f6efe0"), ell(16, 0, 11, 14, "#f6efe0"), circ(-14, 2, 5, "#15132a"), circ(18, 2, 5, "#15132a"), x=x, y=y, s=s) for x, y, s in ((200, 540, 1), (470, 500, 1.1), (620, 600, .8), (960, 530, 1))],
         g(ell(-20, 0, 15, 18, "#d9e07a"), ell(20, 0, 15, 18, "#d9e07a"), ell(-20, 0, 5, 16, "#15132a"), ell(20, 0, 5, 16, "#15132a"), x=760, y=800, s=1.2))
    # 4
    glow = "".join(circ(600, 640, r, "#ffb45a", opacity=.1) for r in (560, 420, 300))
    save(S, 4, night(False), ground("#3a2c44"), glow, person(250, 780, 420, **DATES, look=.6, ra=(18, -60)), person(430, 740, 410, **dict(BAKER, mouth="laugh"), look=.3, la=(-26, -80), ra=(26, -84)), person(770, 740, 430, **SALIM, look=-.5, la=(-16, -60)), person(960, 800, 440, **JADD, look=-.6, la=(-26, -62)), fire(600, 820, 1.25), teapot(612, 760, .7), person(120, 890, 360, **SALMA, look=.7, ra=(18, -52)), *[g(path("M-16,-40H16L12,0H-12Z", "#c9703f"), rect(-16, -42, 32, 8, "#f6e7bd", 2), x=x, y=y, s=.7) for x, y in ((330, 540), (702, 494), (192, 716))])
    # 5
    save(S, 5, night(), LIGHTS, ground(), person(600, 790, 520, **dict(SALIM, mouth="o"), look=.2, la=(-26, -98), ra=(26, -98)), stall(330, 800, 540, "#3f7480", "#f1e4cd", rect(60, -128, 420, 12, "#cfdcdc", 4) + fish(130, -140, .6) + fish(420, -140, .6, "#b98a7a") + path("M196,-133h150", "none", stroke="#8fa3a8", stroke_width=4, stroke_dasharray="12 10"), False), person(130, 860, 400, **SALMA, look=.8, mouth="o"), person(1060, 860, 470, **JADD, look=-.8, mouth="o"))
    # 6
    def bub(x, y, flip=1):
        return g(path("M-90,-50Q-90,-84 -50,-84H50Q90,-84 90,-50V-24Q90,8 50,8H10L-16,40L-14,8H-50Q-90,8 -90,-24Z", "#fbf1dc"), fish(26, -38, .52), el("text", "؟", x=-56, y=-16, text_anchor="middle", font_family="DejaVu Sans", font_weight="bold", font_size=64, fill="#b2452f"), x=x, y=y, shadow=True)
    save(S, 6, night(), LIGHTS, ground(), person(160, 850, 470, **dict(DATES, mouth="o"), look=.4, ra=(26, -78)), person(430, 860, 500, **dict(BAKER, mouth="o"), look=.5, la=(-26, -70)), person(740, 850, 490, **dict(SALIM, mouth="sad"), look=-.4), person(1020, 860, 480, **dict(JADD, mouth="o"), look=-.6, la=(-27, -70)), bub(170, 340), bub(450, 310), bub(740, 350), bub(1030, 330))
    # 7
    cloth = layer(rect(120, 250, 960, 46, "#a8683a", 6)) + layer(path("M140,290H400Q380,480 300,620Q220,560 140,640Z", "#3f7480"), path("M1060,290H860Q900,460 940,560Q1000,540 1060,620Z", "#3f7480"))
    save(S, 7, rect(0, 0, W, H, "#4a3448"), LIGHTS, layer(rect(0, 700, W, 210, "#7a5058")), *[rect(i * 180 + 20, 730 + (i % 3) * 50, 130, 30, "#6a444c", 8) for i in range(7)], layer(rect(180, 290, 30, 450, "#6a4030"), rect(990, 290, 30, 450, "#6a4030")), cat(640, 800, 2.1, pose="sleep"), g(line([(-80, 0), (70, 0)], "#f1e4cd", 8), *[line([(i, -20), (i, 20)], "#f1e4cd", 6) for i in (-40, -14, 12, 36)], path("M-80,0L-110,-26V26Z", "#f1e4cd"), path("M62,-24Q104,-20 112,0Q104,20 62,24Z", "#f1e4cd"), circ(88, -6, 4, "#4a3448"), x=370, y=850, rot=-8), cloth,
         g(person(0, 0, 420, **dict(SALMA, mouth="laugh"), bust=True, look=.7, closed=True, ra=(6, -64)), x=150, y=850), el("text", "z z z", x=850, y=560, font_family="DejaVu Serif, Georgia, serif", font_style="italic", font_size=60, fill="#f6e7bd"))


if __name__ == "__main__":
    main()
