"""Pictures for "The Lamp by the Sea"."""
from stories_kit import *

S = "the-lamp-by-the-sea"
NOOR = dict(skin="#b07a52", top="#c8503a", bottom="#3f4a72", hair="#2a1a1c", style="pony", kid=True, legs="skirt", trim="#e2b04a")
BABA = dict(skin="#a26d48", top="#3f5f6b", bottom="#33304a", hair="#3a2f38", style="short", beard="full")
LAMP = lantern(0, 0, .26)
STONE, STEP = "#5b4766", "#8a7390"


def dusk(seed=1):
    return sky("#3b2f57", "#e59a62", 7, 560, seed)


def stairs(n=7, x=60, y=880, w=170, h=96, c=STEP, numbers=None, lit=False):
    o = ""
    for i in range(n):
        sx, sy = x + i * w, y - i * h
        o += rect(sx, sy - h, 1400, h + 900, mix(c, dark(c), .12 * (i % 2))) + rect(sx - 10, sy - h, 1400, 18, light(c, .28 if lit else .16), 4)
        if numbers and i < len(numbers) and numbers[i]:
            o += el("text", str(numbers[i]), x=sx + w / 2, y=sy - h + 76, font_family="DejaVu Serif, Georgia, serif", font_size=50, fill="#f6efe0", text_anchor="middle", opacity=.92)
    return layer(o)


def tower_wall():
    r, o = random.Random(8), rect(0, 0, W, H, STONE)
    for j in range(10):
        for i in range(8):
            o += rect(i * 170 - (j % 2) * 85 + 5, j * 92 + 5, 160, 82, mix(STONE, "#7a5f78", r.uniform(0, .45)), 10)
    return o


def slit(x, y, night=True):
    return layer(path(f"M{x - 50},{y + 150}V{y}A50,50 0 0 1 {x + 50},{y}V{y + 150}Z", "#3a2a44")) + path(f"M{x - 36},{y + 140}V{y}A36,36 0 0 1 {x + 36},{y}V{y + 140}Z", "#2c3358" if night else "#f0bd7a") + (circ(x + 8, y + 10, 12, "#f6e7bd") if night else "") + path(f"M{x - 36},{y + 90}q18,-10 36,0t36,0V{y + 140}H{x - 36}Z", "#3f5f86" if night else "#c77a52")


def room(c="#a8583f"):
    o = rect(0, 0, W, H, c) + "".join(rect(0, i * 84, W, 42, dark(c, .05)) for i in range(9))
    return o + layer(rect(0, 720, W, 200, "#6a4038"))


def main():
    # 1 the lighthouse on its rock
    save(S, 1, dusk(), stars(24, 220), cloud(260, 210, .8, "#7d5a72"), cloud(980, 150, .6, "#5d466b"), waves(560, 640, "#7a5470", "#5a4770", 3, 5, 150),
         layer(blob([(420, 760), (470, 660), (560, 610), (690, 600), (790, 640), (850, 760)], "#3a2a3c")), lighthouse(630, 625, 500, beam=True),
         layer(blob([(500, 720), (580, 650), (680, 660), (730, 720), (620, 760)], "#4d384a")), house(690, 660, 110, 66, "#d9b48a", "#8f3a2c", win="#ffd98a"),
         waves(700, 850, "#4d4a78", "#232647", 5, 10, 150), gull(240, 420, .8), gull(330, 380, .5), gull(960, 470, .6))
    # 2 Noor on the stairs
    save(S, 2, tower_wall(), slit(930, 130), circ(560, 380, 330, "#ffd98a", opacity=.12), circ(560, 380, 210, "#ffd98a", opacity=.15), stairs(7),
         person(485, 594, 400, **NOOR, look=.6, walk=4, ra=(23, -66), front="") , lantern(588, 356, 1.15))
    # 3 the soup
    tbl = layer(rect(380, 626, 540, 230, "#6a4030"), rect(330, 600, 640, 34, "#8a5434", 8))
    win = layer(rect(80, 120, 280, 300, "#6a4038", 8)) + rect(100, 140, 240, 260, "#3b3560") + moon(250, 210, 32, "#f6e7bd") + path("M100,330q40,-20 80,0t80,0t80,0V400H100Z", "#4d5a86") + line([(220, 140), (220, 400)], "#6a4038", 10) + line([(100, 270), (340, 270)], "#6a4038", 10)
    save(S, 3, room(), win, line([(650, 0), (650, 110)], "#3a2a26", 6), lantern(650, 150, 1.6), layer(rect(900, 250, 240, 16, "#6a4038", 4)), bowl(950, 250, .8, "#3f5f6b", False), bowl(1060, 250, .8, "#e2b04a", False),
         person(720, 640, 540, **BABA, bust=True, look=.2, closed=True, mouth="flat"), tbl, bowl(720, 606, 1.3), line([(742, 566), (790, 520)], "#d9cdbb", 7), layer(path("M420,600q-4,-50 60,-54q64,4 62,54Z", "#c98a4c"), line([(450, 566), (470, 580)], "#a06a34", 5), line([(486, 560), (502, 576)], "#a06a34", 5)),
         person(210, 850, 430, **dict(NOOR, mouth="o"), look=.8, ra=(24, -74), la=(-18, -44)))
    # 4 chalk numbers
    save(S, 4, tower_wall(), circ(330, 430, 300, "#ffd98a", opacity=.13), stairs(7, numbers=["61", "62", "63", "", "", "", ""]),
         tortoise(690, 500, .62), person(300, 692, 390, **dict(NOOR, mouth="o"), look=.9, ra=(25, -60), la=(-19, -52), front=rect(24, -66, 3, 8, "#fff", 1)), lantern(220, 545, .95))
    # 5 the tortoise
    save(S, 5, tower_wall(), circ(520, 480, 420, "#ffd98a", opacity=.14), stairs(3, -400, 1060, 1180, 300, numbers=["", "", ""], lit=True), tortoise(430, 772, 2.5), lantern(120, 690, 1.5),
         el("text", "64", x=560, y=862, font_family="DejaVu Serif, Georgia, serif", font_size=70, fill="#f6efe0", text_anchor="middle"), el("text", "65", x=1000, y=560, font_family="DejaVu Serif, Georgia, serif", font_size=70, fill="#f6efe0", text_anchor="middle"))
    # 6 long ago, in the garden
    save(S, 6, sky("#2f2a52", "#7d5a7a", 6, 640, 4), stars(40, 400), lighthouse(860, 690, 640, beam=True), ridge(660, 18, "#3f4a4c", 3), layer(rect(-20, 600, 560, 90, "#5b4766", 12), *[rect(i * 92 + 4, 606, 84, 36, "#6f5878", 8) for i in range(6)]),
         ridge(750, 16, "#4d6148", 7), bush(150, 770, 190, "#5d7a4c", 2), bush(1080, 800, 240, "#4d6a48", 4), tortoise(470, 820, 1.25),
         *[g(circ(0, -20, 10, c), circ(-12, -12, 9, c), circ(12, -12, 9, c), circ(-7, 2, 9, c), circ(8, 2, 9, c), circ(0, -8, 7, "#e2b04a"), line([(0, 8), (0, 44)], "#3f5a3c", 4), x=x, y=y) for x, y, c in ((250, 800, "#c8503a"), (320, 830, "#e8b0a0"), (730, 810, "#c8503a"), (800, 840, "#e8b0a0"))], grass(840, "#6f8a58", 60, 3))
    # 7 good evening on the stairs
    save(S, 7, tower_wall(), slit(170, 90), circ(830, 260, 320, "#ffd98a", opacity=.13), stairs(7, numbers=["", "83", "84", "85", "86", "", ""]), tortoise(490, 595, .66),
         person(825, 402, 370, **NOOR, look=-.8, walk=5, ra=(22, -56), la=(-23, -60)), lantern(914, 224, 1))
    # 8 at the top
    lamp = "".join(circ(640, 400, r, "#ffe2a0", opacity=.16) for r in (430, 330, 240)) + layer(rect(530, 190, 220, 30, "#3a2a36", 8), rect(560, 570, 160, 180, "#3a2a36", 8), rect(520, 560, 240, 30, "#4d384a", 8)) + rect(550, 220, 180, 340, "#ffe7ad") + "".join(path(f"M550,{232 + i * 46}q90,{30 - i * 8} 180,0v14q-90,{30 - i * 8} -180,0Z", "#f6c768") for i in range(7)) + path("M640,330q46,60 0,120q-46,-60 0,-120Z", "#e8823a")
    panes = "".join(line([(x, 0), (x, 640)], "#3a2a36", 16) for x in (60, 340, 930, 1160)) + line([(0, 330), (520, 330)], "#3a2a36", 8) + line([(760, 330), (1200, 330)], "#3a2a36", 8)
    save(S, 8, sky("#2b2850", "#8a5a70", 6, 600, 6), stars(40, 380), waves(480, 620, "#4d4a78", "#2c2f58", 4, 5, 140), panes, layer(rect(0, 640, W, 300, "#5b4766")), rect(0, 640, W, 18, "#8a7390"), lamp,
         layer(ell(640, 800, 560, 80, "#745a78")), tortoise(390, 800, 1.15), person(900, 830, 470, **NOOR, look=-.8, la=(-25, -66)))


if __name__ == "__main__":
    main()
