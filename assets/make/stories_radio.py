"""Pictures for "The Sea in the Radio" and its French version."""
from stories_kit import *

S, FR = "the-sea-in-the-radio", "la-mer-dans-la-radio"
WARA = dict(skin="#a5694a", top="#b2452f", bottom="#3f4a72", hair="#241512", style="braids", kid=True, legs="skirt", trim="#e2b04a")
GRAN = dict(skin="#96603f", top="#7a4a34", bottom="#4a3a3c", hair="#d9cdbb", style="thin", hat="chullo", hatc="#8f3a2c", sleeve="#5f3a2c")
PONCHO = path("M-17,-72Q0,-80 17,-72L24,-40L0,-28L-24,-40Z", "#b2452f") + curve("M-22,-46L0,-35L22,-46", "#e2b04a", 2.4) + curve("M-21,-52L0,-41L21,-52", "#3f6b5a", 2)
INTI = dict(skin="#a5694a", top="#d98b34", bottom="#34456a", hair="#241512", style="short")


def room(night=True, wall="#c98a5a"):
    o = rect(0, 0, W, H, wall) + "".join(path(f"M0,{y}Q300,{y - 12} 600,{y}T1200,{y}V{y + 6}Q900,{y + 16} 600,{y + 6}T0,{y + 8}Z", dark(wall, .07)) for y in (140, 300, 470, 620))
    o += layer(rect(0, 700, W, 220, "#7a4a3a")) + layer(*[path(f"M{150 + i * 100},790h100l-30,70h-100Z", c) for i, c in enumerate(["#b2452f", "#e2b04a", "#3f6b5a", "#b2452f", "#e2b04a", "#3f6b5a", "#b2452f", "#e2b04a"])])
    return o


def window(x, y, w=230, h=250, night=True):
    o = layer(rect(x - 16, y - 16, w + 32, h + 32, "#6a4030", 6)) + rect(x, y, w, h, "#2f3560" if night else "#a9c4c4")
    o += poly([(x, y + h), (x, y + h * .7), (x + w * .3, y + h * .36), (x + w * .55, y + h * .74), (x + w * .75, y + h * .5), (x + w, y + h * .8), (x + w, y + h)], "#5b5a82" if night else "#8a7a8a")
    o += poly([(x + w * .3, y + h * .36), (x + w * .38, y + h * .49), (x + w * .3, y + h * .47), (x + w * .21, y + h * .49)], "#f4ead6")
    if night:
        o += circ(x + w * .74, y + h * .22, 20, "#f6e7bd") + circ(x + w * .2, y + h * .16, 3, "#f6e7bd") + circ(x + w * .45, y + h * .12, 3, "#f6e7bd")
    return o + line([(x + w / 2, y), (x + w / 2, y + h)], "#6a4030", 9)


def table(x, y, w, c="#8a5434"):
    return layer(rect(x + 30, y + 20, w - 60, 240, dark(c, .3), 4), rect(x, y, w, 34, c, 6)) + "".join(path(f"M{x + 60 + i * 120},{y + 34}h90l-45,46Z", k) for i, k in enumerate((["#b2452f", "#e2b04a", "#3f6b5a"] * 4)[: int((w - 60) // 120)]))


def seawaves(y0, n=5):
    cs = ["#8fb0a8", "#5f9094", "#3f7480", "#2f5a6e", "#24455c"]
    o = ""
    for i in range(n):
        y, a = y0 + i * 64, 26 + i * 4
        d, x = f"M-200,{y}", -200 + (i * 90) % 180
        d += f"H{x}"
        while x < 1400:
            d += f"q{a * 1.6},{-a * 2.2} {a * 3.6},{-a * .9}q{-a * .9},{-a * .2} {-a * .8},{a * .7}q{a * .2},{a * .6} {a * 3.2},{a * .2}"
            x += a * 6
        o += layer(path(d + "V960H-200Z", cs[i % 5]))
    return o


def main():
    also = (FR,)
    # 1 the village
    save(S, 1, sky("#8fb3b8", "#f6dfb4", 6, 600, 2), peak(250, 130, 620, 520, "#8a7a92"), peak(930, 90, 720, 560, "#7a6a88"), peak(600, 220, 520, 420, "#9a8a9a"), cloud(240, 500, 1.2), cloud(760, 470, .9),
         ridge(600, 30, "#c9a15a", 4), house(150, 700, 170, 110, "#c98a5a", "#8f3a2c"), house(420, 660, 120, 80, "#d9a878", "#a8503a"), house(980, 670, 140, 96, "#c98a5a", "#8f3a2c"), cloud(470, 690, .9, op=.93),
         ridge(740, 24, "#a8823f", 9), house(640, 790, 250, 150, "#d9a878", "#8f3a2c"), line([(850, 575), (850, 470)], "#5a4a44", 5), line([(820, 490), (880, 490)], "#5a4a44", 4), line([(830, 508), (870, 508)], "#5a4a44", 4), cloud(1010, 800, 1.1, op=.95),
         llama(200, 850, .8), person(530, 850, 240, **WARA, look=-.5), grass(850, "#8a6a34", 40, 3), also=also)
    # 2 turning the knob
    save(S, 2, room(), window(110, 130), lantern(980, 150, 1.7), line([(980, 0), (980, 72)], "#3a2a26", 5), person(800, 700, 540, **GRAN, bust=True, look=-.6, front=PONCHO, la=(-27, -60), closed=True),
         person(290, 700, 480, **dict(WARA), bust=True, look=.8), table(120, 640, 860), radio(540, 642, 1.2), bowl(910, 642, .9), also=also)
    # 3 the sea in the room
    save(S, 3, room(wall="#3f3f66"), window(830, 90, 240, 250), seawaves(480, 5), radio(300, 480, 1.3), *[curve(f"M{430 + i * 46},{330 - i * 16}q{30 + i * 8},{50 + i * 12} 0,{100 + i * 26}", "#f6e7bd", 8, opacity=.7 - i * .12) for i in range(4)],
         person(730, 790, 470, **dict(WARA), bust=True, closed=True, look=-.3), seawaves(720, 3),
         g(ell(0, 0, 34, 22, "#d9583a"), curve("M-30,-6q-26,-8 -30,-30M30,-6q26,-8 30,-30", "#d9583a", 8), circ(-62, -40, 12, "#d9583a"), circ(62, -40, 12, "#d9583a"), circ(-10, -24, 6, "#201510"), circ(10, -24, 6, "#201510"), line([(-10, -14), (-10, -24)], "#d9583a", 4), line([(10, -14), (10, -24)], "#d9583a", 4), *[curve(f"M{k * 26},8q{k * 18},4 {k * 24},{18 + j * 8}", "#d9583a", 6) for k in (-1, 1) for j in (0, 1)], x=1000, y=760, s=1.1), also=also)
    # 4 the man from the town
    save(S, 4, room(False), window(120, 130, night=False), person(680, 700, 560, skin="#b07a52", top="#4f6a6b", bottom="#33304a", hair="#33231f", style="short", bust=True, look=-.5, glasses=True, la=(-15, -58), ra=(20, -56), mouth="flat", trim="#f1e4cd"),
         table(290, 640, 620), g(rect(-110, -130, 220, 130, "#a34a2c", 14), rect(-92, -112, 184, 94, "#3a2a26", 6), *[circ(-60 + i * 40, -66 + (i % 2) * 20, 12, c) for i, c in enumerate(["#e2b04a", "#3f6b5a", "#b7a98e", "#e2b04a"])], *[curve(f"M-60,-66Q{i * 20},{-110 + i * 18} {60 - i * 10},-46", c, 3) for i, c in enumerate(["#d9583a", "#e2b04a", "#8fb0a8"])], x=500, y=642, s=.9, shadow=True),
         *[circ(x, 630, 7, "#b7a98e") for x in (690, 714, 760)], line([(800, 634), (850, 628)], "#b7a98e", 6), line([(832, 631), (862, 627)], "#d9583a", 12),
         person(1050, 870, 500, **GRAN, look=-.6, front=PONCHO, mouth="flat"), person(170, 860, 400, **WARA, look=.7, mouth="flat"), also=also)
    # 5 nothing between
    notes = "".join(g(ell(0, 0, 15, 11, "#3a2a26", transform="rotate(-20)"), line([(13, -4), (13, -56)], "#3a2a26", 5), path("M13,-56q22,4 24,28q-10,-14 -24,-12Z", "#3a2a26"), x=x, y=y, s=s) for x, y, s in ((420, 300, 1.2), (330, 220, .9), (790, 280, 1), (880, 200, 1.3)))
    save(S, 5, room(wall="#b98a66"), layer(rect(470, 60, 260, 270, "#6a4030", 6)) + rect(488, 78, 224, 234, "#2f3560") + clipped(488, 60, 224, 252, llama(580, 400, .95)), layer(rect(456, 306, 288, 26, "#7a4a34", 4)), notes,
         person(280, 690, 470, **WARA, bust=True, look=.8, mouth="sad"), person(910, 690, 520, **GRAN, bust=True, look=-.7, front=PONCHO, mouth="sad"), table(160, 650, 880), radio(600, 652, 1.25), also=also)
    # 6 awake
    save(S, 6, room(wall="#3f3f66"), poly([(640, 150), (850, 150), (700, 800), (300, 800)], "#f6e7bd", opacity=.13), window(640, 110, 230, 260), layer(rect(170, 320, 26, 480, "#4a2f30"), rect(170, 560, 60, 40, "#4a2f30")), layer(rect(180, 640, 800, 150, "#5a3a38", 14)),
         layer(path("M210,560q90,-50 190,-4l6,90H206Z", "#f1e4cd")), g(person(0, 0, 420, **WARA, bust=True, mouth="flat"), x=420, y=640, rot=-80), layer(path("M400,560Q520,520 700,560Q860,540 990,570L1000,760H420Q380,660 400,560Z", "#b2452f"), path("M404,640Q700,600 1000,640V668Q700,630 408,668Z", "#e2b04a"), path("M412,706Q700,670 1000,706V728Q700,696 416,728Z", "#3f6b5a")), rect(960, 520, 30, 330, "#4a2f30", 6), layer(rect(1030, 640, 150, 20, "#6a4030", 4), rect(1045, 660, 20, 190, "#5a3628"), rect(1145, 660, 20, 190, "#5a3628")), radio(1105, 642, .55), also=also)
    # 7 Arica
    save(S, 7, sky("#f2b872", "#fbe9c4", 5, 420, 3), sun(880, 300, 80, "#e8823a"), waves(400, 560, "#6fa0a0", "#2f6478", 5, 9, 140), gull(380, 190, 1), gull(520, 250, .7), gull(1060, 160, .8), layer(path("M-20,640Q300,560 700,640T1240,620V920H-20Z", "#e9cf9a")), *[path(f"M{x},{y}q60,-14 120,0t120,0q-60,20 -120,14t-120,-14Z", "#fbf1dc") for x, y in ((560, 622), (880, 640), (120, 606))],
         g(rect(-190, -170, 250, 120, "#3f6b5a", 8), rect(70, -190, 120, 140, "#b2452f", 16), rect(96, -172, 78, 54, "#fbe9c4", 8), rect(-200, -60, 400, 22, "#3a2a26", 6), *[x for wx in (-120, 120) for x in (circ(wx, -36, 40, "#2a1d22"), circ(wx, -36, 16, "#b7a98e"))], *[rect(-180 + i * 60, -214 + (i % 2) * 8, 54, 46, c, 8) for i, c in enumerate(["#e2b04a", "#d9a878", "#b2452f", "#e2b04a"])], x=260, y=800, s=1.15, shadow=True),
         person(700, 850, 480, **INTI, look=.7, ra=(34, -82), front="", mouth="smile"), rect(862, 430, 24, 46, "#241c26", 5), *[curve(f"M{920 + i * 30},{430 - i * 6}q{18 + i * 4},{24 + i * 4} 0,{48 + i * 10}", "#fbf1dc", 6, opacity=.9 - i * .2) for i in range(3)], also=also)
    # 8 crab
    save(S, 8, rect(0, 0, W, H, "#d9a878"), layer(rect(0, 120, W, 18, "#7a4a34"), rect(0, 330, W, 18, "#7a4a34")), *[rect(40 + i * 74, 60 + (i * 37) % 22, 48, 62 - (i * 37) % 22, c, 6) for i, c in enumerate(["#b2452f", "#e2b04a", "#3f6b5a", "#f1e4cd"] * 4)], *[path(f"M{60 + i * 120},330v-60q0,-20 12,-24v-26h24v26q12,4 12,24v60Z", c) for i, c in enumerate(["#5f9094", "#8f3a2c", "#5d7a4c", "#e2b04a", "#5f9094", "#8f3a2c", "#5d7a4c", "#e2b04a", "#5f9094", "#8f3a2c"])],
         curve("M655,620Q640,720 900,740", "#2a2226", 7), person(780, 840, 640, **GRAN, bust=True, look=-.5, front=PONCHO, closed=True), g(rect(-17, -60, 34, 120, "#2a2226", 15), rect(-9, -38, 18, 34, "#4d6a6b", 3), x=668, y=560, rot=6),
         person(430, 860, 560, **WARA, bust=True, look=.6, ra=(37, -87), la=(-18, -48)), layer(rect(0, 760, W, 150, "#8a5434"), rect(0, 760, W, 20, "#a8683a")),
         layer(rect(920, 690, 160, 76, "#7a6a58", 8), rect(940, 706, 120, 30, "#f3e0b4", 4)), also=also)


if __name__ == "__main__":
    main()
