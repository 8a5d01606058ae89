"""Pictures for "Telling the Bees"."""
from stories_kit import *

S = "telling-the-bees"
MAJA = dict(skin="#e0b08a", top="#c98a2c", bottom="#3f4f5f", hair="#4a2c1f", style="bob", legs="skirt", trim="#8f3a2c")
GRAN = dict(skin="#dba887", top="#5f6a5a", bottom="#4a4450", hair="#b9b0a4", style="bun", legs="robe", trim="#8f3a2c")
ANTON = dict(skin="#d9a27c", top="#7d8f8a", bottom="#4a4038", hair="#efe6d6", style="thin", hat="straw", beard="moustache")
BEAR = g(ell(0, 16, 22, 24, "#6a4026"), circ(0, -20, 17, "#6a4026"), circ(-13, -34, 6.5, "#6a4026"), circ(13, -34, 6.5, "#6a4026"), ell(0, -13, 8, 6, "#c99a66"), circ(-6, -24, 2.4, "#201510"), circ(6, -24, 2.4, "#201510"), circ(0, -16, 2.6, "#201510"), path("M-22,12H22L24,46H4L0,26L-4,46H-24Z", "#b2452f"), line([(-20, 0), (-34, 12)], "#6a4026", 9), line([(20, 0), (34, -12)], "#6a4026", 9), line([(-10, 14), (-12, -4)], "#e2b04a", 3), line([(10, 14), (12, -4)], "#e2b04a", 3))
SNAIL = g(path("M-50,30Q-60,10 -54,-8Q-46,-6 -42,14Q0,22 50,30Z", "#c9b07a"), circ(4, 4, 26, "#a8583a"), circ(4, 4, 17, "#d98b5a"), circ(4, 4, 8, "#a8583a"), line([(-54, -6), (-60, -24)], "#c9b07a", 3), line([(-50, -6), (-46, -26)], "#c9b07a", 3))
TAILOR = g(SNAIL, x=-18, y=6, s=.62) + g(circ(0, -26, 9, "#e0b08a"), path("M-9,-16H9L12,12H-12Z", "#34567a"), line([(-5, 12), (-10, 36)], "#2a2a38", 6), line([(5, 12), (16, 32)], "#2a2a38", 6), line([(8, -12), (24, -26)], "#34567a", 5), line([(-8, -12), (-18, -28)], "#34567a", 5), x=36, y=4)
SAINT = g(rect(-44, 6, 44, 34, "#d9b48a"), poly([(-50, 8), (-22, -14), (6, 8)], "#8f3a2c"), path("M-34,-10q6,-22 12,-4q10,-16 8,6Z", "#e2803a"), circ(28, -28, 9, "#e0b08a"), circ(28, -28, 14, "none", stroke="#e2b04a", stroke_width=3), path("M18,-18H38L44,38H14Z", "#b2452f"), line([(22, -12), (0, -22)], "#b2452f", 6), path("M-8,-30h14l-2,14h-10Z", "#8d8273"), curve("M-4,-18q-8,8 -10,18", "#6fa7b0", 4))
MERMAID = g(circ(0, -28, 10, "#e0b08a"), path("M-12,-30Q-12,-46 2,-44Q18,-42 14,-8Q10,-22 8,-32Z", "#b2452f"), path("M-9,-18H9L11,6H-11Z", "#e0b08a"), path("M-11,4H11Q14,30 40,34Q22,48 4,36Q-12,24 -11,4Z", "#3f7d6a"), curve("M-44,42q10,-8 20,0t20,0t20,0t20,0", "#6fa7b0", 4))
SUNP = sun(0, 0, 20, "#e2b04a", 2) + "".join(line([(27 * math.cos(a), 27 * math.sin(a)), (40 * math.cos(a), 40 * math.sin(a))], "#e2b04a", 5) for a in [i * math.pi / 4 for i in range(8)])
HEART = path("M0,34Q-44,0 -26,-24Q-8,-36 0,-14Q8,-36 26,-24Q44,0 0,34Z", "#b2452f")
BIRD = g(path("M-36,8Q-20,-24 10,-18Q26,-30 34,-14L44,-8L34,-4Q20,22 -8,18L-46,28Z", "#34567a"), circ(28, -14, 2.5, "#fff"))
TREEP = g(rect(-4, 4, 8, 36, "#6a4026"), circ(0, -10, 26, "#5d7d4a"), *[circ(a, b, 4, "#b2452f") for a, b in ((-10, -14), (8, -22), (12, 0), (-6, 4))])
MOONP = moon(0, 0, 28, "#f3dfa8", "#34456a")
HORSE = g(path("M-40,10Q-30,-14 10,-10L24,-36L40,-24L30,-16Q30,16 24,36H14L12,14H-18L-22,36H-32Z", "#8a5434"))
ROOSTER = g(path("M-36,-14Q-20,20 8,22Q30,20 28,-16L20,-30L10,-8Q-10,6 -36,-14Z", "#c8703a"), circ(20, -26, 8, "#c8703a"), path("M14,-34l4,-8l4,6l5,-5l2,9Z", "#b2452f"), poly([(28, -26), (37, -23), (28, -20)], "#e2b04a"), line([(4, 22), (4, 38)], "#e2b04a", 4), line([(14, 20), (14, 38)], "#e2b04a", 4))
PANELS = [(BEAR, "#e9cf8f"), (TAILOR, "#9fb8a8"), (SAINT, "#c9d3c0"), (MERMAID, "#a9c4c0"), (SUNP, "#5f7f9a"), (HEART, "#e9d9b4"), (BIRD, "#e2b87a"), (TREEP, "#d3dcb4"), (MOONP, "#34456a"), (HORSE, "#c9b48a"), (ROOSTER, "#a9b48f")]


def panel(i, x, y, s=1.0):
    p = PANELS[i] if i is not None else ("", "#d9b884")
    return g(rect(-74, -58, 148, 116, "#7a5238", 3), rect(-66, -50, 132, 100, p[1], 2), clipped(-66, -50, 132, 100, p[0]), rect(-66, 58, 132, 11, "#5a3a28", 2), rect(-24, 48, 48, 8, "#2a1a16", 3), x=x, y=y, s=s)


def beehouse(x, y, s, new=False):
    o = rect(-350, -420, 700, 420, "#8a6044") + "".join(line([(-350 + i * 50, -420), (-350 + i * 50, 0)], "#7a5238", 3) for i in range(15))
    o += poly([(-410, -400), (0, -560), (410, -400), (410, -372), (0, -528), (-410, -372)], "#6a3a30") + poly([(-350, -392), (0, -526), (350, -392), (350, -380), (-350, -380)], "#9a7050")
    k = 0
    for r in range(3):
        for c in range(4):
            if k < 11:
                o += panel(k, -252 + c * 168, -308 + r * 134)
            elif new:
                o += panel(None, -252 + c * 168, -308 + r * 134)
            k += 1
    if not new:
        o += rect(-252 + 3 * 168 - 66, -308 + 268 - 50, 132, 110, "#4a3024", 2)
    return g(o, x=x, y=y, s=s, shadow=True)


def orchard(leaf="#8fa65c", seed=1, skyc=("#a9c4bc", "#f6e6bf"), blossom=None):
    return sky(*skyc, 6, 520, seed) + peak(930, 150, 560, 420, "#8a93a2") + peak(640, 210, 460, 360, "#9aa2ac") + peak(1150, 220, 420, 360, "#7d8796") + ridge(500, 26, "#7d9068", seed + 2) + "".join(pine(x, 540 + (i * 37) % 30, 130 + (i * 53) % 60, "#4d6655") for i, x in enumerate((30, 90, 820, 880, 1130, 1180))) + ridge(600, 16, leaf, seed)


def kitchen():
    o = rect(0, 0, W, H, "#d9bd8f") + rect(0, 0, W, 420, "#c9a878") + "".join(rect(x, 424, 76, 76, "#efe0c2" if (x // 80) % 2 else "#a9bdb4") for x in range(0, 1200, 80))
    return o + layer(rect(0, 740, W, 170, "#7a4f38"))


def cake(x, y, s, c="#8a5434", top="#f1e4cd"):
    return g(ell(0, 0, 76, 12, "#efe6d6"), rect(-54, -46, 108, 46, c, 8), path("M-54,-40Q-50,-58 0,-58T54,-40V-30q-9,12 -18,0q-9,12 -18,0q-9,12 -18,0q-9,12 -18,0q-9,12 -18,0q-9,12 -18,0Z", top), circ(0, -62, 6, "#b2452f"), x=x, y=y, s=s, shadow=True)


def boot(x, y, s, flip=False):
    return g(path("M-20,-90H16V-34Q50,-28 54,-6V0H-20Z", "#4a3024"), rect(-22, -6, 78, 10, "#2a1a16", 3), rect(-22, -92, 40, 12, "#6a4834", 4), *[line([(2, -70 + i * 14), (18, -66 + i * 14)], "#c9b07a", 3) for i in range(3)], x=x, y=y, s=s, flip=flip, shadow=True)


def main():
    # 1 the painted hives
    save(S, 1, orchard(), tree(90, 740, 420, "#7d9a58", seed=2, fruit="#b2452f"), beehouse(620, 800, 1.06), ridge(820, 8, "#7d9a58", 6), grass(830, "#6a8a4a", 50, 2), person(1080, 860, 430, **ANTON, look=-.7, la=(-22, -60)), bees(9, 3, 260, 420, 1000, 700, 1.0))
    # 2 knock first
    save(S, 2, rect(0, 0, W, H, "#8a6044"), *[line([(x, 0), (x, H)], "#7a5238", 4) for x in range(40, 1200, 90)], panel(0, 860, 260, 2.4), panel(1, 860, 640, 2.4), panel(4, 470, 260, 2.4), panel(5, 470, 640, 2.4), person(270, 800, 760, **ANTON, bust=True, look=.8, ra=(42, -84), mouth="laugh"), bees(7, 12, 560, 90, 1160, 840, 1.5))
    # 3 the cakes
    win = layer(rect(420, 90, 360, 290, "#f1e4cd", 6)) + rect(440, 110, 320, 250, "#c9d3c8") + peak(650, 190, 260, 170, "#8a93a2") + rect(440, 330, 320, 30, "#9aa884") + line([(600, 110), (600, 360)], "#f1e4cd", 12)
    save(S, 3, kitchen(), win, person(590, 690, 560, **GRAN, bust=True, closed=True, mouth="flat", look=-.2), layer(rect(380, 560, 440, 300, "#efe0c2", 6), rect(360, 545, 480, 34, "#b9a68c", 8)), curve("M730,545V470q0,-26 -26,-26q-20,0 -20,20", "#8d8273", 12),
         layer(rect(-20, 640, 340, 230, "#8a5a40"), rect(-20, 620, 360, 30, "#a8704a", 6)), cake(70, 622, .9), cake(190, 624, 1, "#c98a4c", "#8f3a2c"), cake(290, 622, .66, "#6a3f2c", "#e2b04a"), person(1030, 880, 520, **dict(MAJA, mouth="sad"), look=-.8))
    # 4 small news
    save(S, 4, orchard("#9aac68", 5), tree(110, 780, 560, "#8f9a6a", seed=7, fruit="#f6e6e0"), beehouse(760, 830, 1.1), ridge(840, 6, "#7d9a58", 3), person(300, 870, 450, **MAJA, look=.8, ra=(34, -78), mouth="flat"), *[ell(340 + i * 40, 850 + (i % 3) * 12, 7, 5, "#f6e6e0") for i in range(6)], grass(850, "#6a8a4a", 40, 5))
    # 5 the waiting room
    crowd = lambda x, y, n, sd: bees(n, sd, x - 130, y - 16, x + 130, y + 4, 1.15)
    save(S, 5, rect(0, 0, W, H, "#8a6044"), *[line([(x, 0), (x, H)], "#7a5238", 4) for x in range(40, 1200, 90)], panel(0, 330, 210, 2.3), panel(2, 860, 210, 2.3), panel(3, 330, 640, 2.3), panel(6, 860, 640, 2.3), crowd(330, 344, 16, 2), crowd(860, 344, 13, 5), crowd(330, 774, 15, 8), crowd(860, 774, 17, 11), poly([(0, 0), (260, 0), (0, 420)], "#f6e6bf", opacity=.18))
    # 6 the bear's trousers
    save(S, 6, rect(0, 0, W, H, "#6a4836"), *[line([(x, 0), (x, H)], "#5a3c2e", 4) for x in range(40, 1200, 90)], panel(0, 800, 300, 3.3), panel(1, 800, 800, 3.3), panel(4, 260, 150, 2.4) , poly([(0, 0), (1200, 0), (1200, 220), (0, 620)], "#e2803a", opacity=.12), g(person(0, 0, 800, **dict(MAJA, mouth="sad"), bust=True, closed=True, look=.9, la=(-15, -44), ra=(20, -90)), x=420, y=900, rot=9), bees(5, 6, 600, 470, 1000, 540, 1.4))
    # 7 evening, the best slice
    save(S, 7, rect(0, 0, W, H, "#a8704f"), rect(0, 0, W, 420, "#9a6446"), layer(rect(90, 90, 300, 300, "#f1e4cd", 6)) + rect(110, 110, 260, 260, "#3b4a70") + peak(270, 220, 240, 150, "#5f6a86") + moon(170, 180, 24) + line([(240, 110), (240, 370)], "#f1e4cd", 12), line([(640, 0), (640, 90)], "#3a2a26", 6), "".join(circ(640, 150, r, "#ffd98a", opacity=.13) for r in (330, 230, 130)), path("M560,170Q570,90 640,84Q710,90 720,170Z", "#b2452f"), ell(640, 170, 80, 10, "#ffe2a0"),
         person(860, 700, 570, **GRAN, bust=True, look=-.7), person(380, 700, 540, **MAJA, bust=True, look=.7, mouth="flat"), layer(rect(150, 640, 900, 280, "#7a4f38"), rect(110, 620, 980, 40, "#a8704a", 8)), layer(path("M240,622L300,820H900L960,622Z", "#efe0c2")), *[rect(330 + i * 110, 622, 40, 190, "#b2452f", opacity=.5) for i in range(5)],
         g(ell(0, 0, 90, 14, "#f6efe0"), path("M-56,-6V-50L50,-30V-4Z", "#c98a4c"), path("M-56,-50L50,-30L34,-46L-40,-64Z", "#8f3a2c"), line([(-56, -28), (50, -16)], "#f1e4cd", 6), x=470, y=652, s=1.15, shadow=True), bowl(760, 656, .8, "#5f6a5a"))
    # 8 the new panel
    old = g(rect(-270, -210, 540, 420, "#7a5238", 6), rect(-244, -186, 488, 372, "#e2c48a", 4), clipped(-244, -186, 488, 372, path("M-244,110Q0,60 244,120V190H-244Z", "#8fa65c"), sun(160, -110, 36, "#e8a03a", 2),
            person(-20, 168, 300, **dict(ANTON, shoes="#d9a27c"), look=.4, la=(-24, -56)), ell(-2, 160, 25, 13, "#4a3024"), rect(-12, 130, 26, 34, "#4a3024", 4)), rect(-60, 186, 120, 16, "#2a1a16", 5))
    save(S, 8, kitchen(), layer(rect(420, 60, 420, 80, "#8a5a40", 6)), *[rect(450 + i * 62, 30 + (i % 2) * 12, 40, 70 - (i % 2) * 12, c, 6) for i, c in enumerate(["#b2452f", "#5f6a5a", "#e2b04a", "#34567a", "#efe0c2", "#8f3a2c"])], g(old, x=690, y=500, s=1.06, rot=3, shadow=True), person(220, 790, 640, **GRAN, bust=True, look=.8, glasses=True, ra=(31, -66), mouth="flat", front=ell(3.2, -82.2, 1.5, 1.9, "#d9705f")), person(1090, 800, 540, **MAJA, bust=True, look=-.8), layer(rect(0, 720, W, 190, "#8a5a40"), rect(0, 720, W, 26, "#a8704a")),
         *[g(circ(0, 0, 30, "#efe6d6"), circ(0, 0, 22, c), x=x, y=790) for x, c in ((180, "#b2452f"), (270, "#e2b04a"), (360, "#34567a"), (450, "#5d7d4a"))], *[g(line([(0, 0), (0, -110)], "#c9984c", 9), rect(-7, -134, 14, 26, "#8d8273", 2), path("M-8,-134Q-8,-160 0,-170Q8,-160 8,-134Z", c), x=x, y=850, rot=r) for x, r, c in ((920, 70, "#b2452f"), (960, 62, "#34567a"))], g(line([(0, 0), (80, -60)], "#c9984c", 9), path("M78,-66Q100,-92 112,-86Q108,-68 86,-52Z", "#4a3024"), x=402, y=640), bees(3, 4, 120, 120, 380, 300, 1.2))


if __name__ == "__main__":
    main()
