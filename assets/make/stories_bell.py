"""Pictures for "Whose Bell Is This?"."""
from stories_kit import *

S = "whose-bell-is-this"
ODILE = dict(skin="#6b4029", top="#34567a", bottom="#2c3f60", hair="#1d1412", style="wrap", hatc="#e2b04a", front=circ(-11.6, -83, 1.8, "#e2b04a") + circ(11.6, -83, 1.8, "#e2b04a") + path("M-10,-72L-10,-44H10V-72H6V-62H-6V-72Z", "#2c3f60"))
ISSA = dict(skin="#7a4a30", top="#c8503a", bottom="#5a4a3c", hair="#1d1412", style="afro", kid=True)
KARIM = dict(skin="#6b4029", top="#efe0c2", bottom="#e2cfa8", hair="#e9e2d4", style="thin", beard="full", hat="kufi", hatc="#b2452f", legs="robe", sleeve="#d9c49a")


def street(seed=1, sky2=("#e9a860", "#fbe3b4")):
    return sky(*sky2, 5, 560, seed) + sun(220, 170, 62, "#d9583a") + ridge(500, 16, "#d9a05e", seed)


def road(y=690, c="#b9703f"):
    return layer(rect(0, y, W, 300, c)) + "".join(ell((i * 211) % 1200, y + 40 + (i * 67) % 160, 26, 5, dark(c, .12)) for i in range(14))


def tools(x, y):
    return g(rect(-90, -60, 180, 60, "#8f3a2c", 8), rect(-90, -60, 180, 14, "#b2452f", 6), curve("M-40,-60q0,-30 40,-30t40,30", "#5a2a26", 8), line([(-60, -64), (-76, -110)], "#b7a98e", 8), line([(60, -62), (80, -104)], "#b7a98e", 7), x=x, y=y, shadow=True)


def spokes_leaning(x, y, s, rot=-6):
    return g(bicycle(0, 0, s, "#241f26"), x=x, y=y, rot=rot)


def main():
    # 1 under the neem tree
    save(S, 1, street(1), house(40, 690, 230, 170, "#d98b5a", "#8f3a2c", "flat", win="#5a3a3c"), house(930, 690, 240, 190, "#c9704a", "#6a4038", "flat", win="#5a3a3c"), road(), tree(590, 730, 660, "#4f7350", seed=3), *[g(wheel(0, 0, 52, spoke="#b7a98e"), x=x, y=y) for x, y in ((430, 380), (770, 340))], line([(430, 328), (450, 250)], "#5a4a40", 4), line([(770, 288), (740, 220)], "#5a4a40", 4),
         bicycle(780, 830, 1.05, "#3f6b5a"), person(500, 840, 420, **ODILE, look=.7, ra=(28, -58)), tools(330, 850), person(1060, 840, 400, skin="#7a4a30", top="#f1e4cd", bottom="#48557a", hair="#1d1412", style="short", look=-.7, mouth="o"))
    # 2 wet night
    r = random.Random(4)
    save(S, 2, sky("#23284a", "#4a4a70", 6, 700, 2), ridge(560, 14, "#2c3050", 4), house(880, 700, 260, 190, "#4f4460", "#33304a", "flat", win="#f6cf7a"), road(690, "#43405a"), tree(470, 740, 640, "#2f4a4c", "#33283a", 3), *[ell(x, y, w, w * .12, "#6a6c92", opacity=.6) for x, y, w in ((260, 800, 120), (900, 850, 170), (640, 870, 90))],
         g(bicycle(0, 0, 1.2, "#15131a"), x=640, y=810, rot=0), circ(723, 553, 40, "#ffd98a", opacity=.2), *[line([(x, y), (x - 9, y + 34)], "#aab0cc", 3, opacity=.55) for x, y in ((r.uniform(0, 1200), r.uniform(0, 860)) for _ in range(90))])
    # 3 a look and a rag
    save(S, 3, street(3), road(), tree(140, 740, 640, "#4f7350", seed=5), layer(rect(760, 470, 400, 20, "#6a4038", 4), rect(790, 488, 20, 220, "#5a3628"), rect(1110, 488, 20, 220, "#5a3628")), *[g(path("M-20,0a20,20 0 0 1 40,0Z", c), circ(0, -23, 4, "#8a6417"), rect(-6, 0, 12, 10, "#8d8273"), x=800 + i * 64, y=460) for i, c in enumerate(["#e2b04a", "#b7a98e", "#c8503a", "#e2b04a", "#3f6b5a", "#b7a98e"])],
         bicycle(560, 850, 1.3, "#241f26"), person(250, 850, 520, **ODILE, look=.8, mouth="flat", ra=(30, -62)) + g(path("M26,-66q10,-2 14,4q2,8 -4,14q-8,-4 -10,-18Z", "#f1e4cd"), x=250, y=850, s=5.2), person(880, 860, 420, **dict(ISSA, mouth="o"), look=-.8, la=(-20, -42)))
    # 4 the bell comes last
    bird = g(path("M-60,14Q-40,-30 6,-26Q30,-50 50,-30L74,-22L52,-14Q40,26 -6,26L-76,44L-50,18Z", "#8a6417"), circ(44, -28, 4, "#f6e3b0"), curve("M-30,4q20,14 44,0", "#e2b04a", 5))
    save(S, 4, rect(0, 0, W, H, "#b9703f"), "".join(circ(600, 470, q, "#ffe2a0", opacity=.1) for q in (520, 420, 330)), line([(-20, 800), (1220, 640)], "#241f26", 60), line([(-20, 790), (1220, 630)], "#4a4350", 10), layer(rect(520, 640, 170, 90, "#8d8273", 16)),
         layer(path("M280,650A320,300 0 0 1 920,630Q600,710 280,650Z", "#e2b04a"), path("M280,650Q600,710 920,630L922,662Q600,742 282,680Z", "#a87a24")), path("M350,600Q380,420 540,372Q420,460 410,606Z", "#f6d98a"), g(bird, x=620, y=510, s=1.7), layer(rect(576, 312, 48, 40, "#a87a24", 10), circ(600, 304, 30, "#c8942f")), layer(path("M900,690L1010,668L1016,700L906,722Z", "#b7a98e")),
         g(curve("M0,0Q120,60 330,300", dark(ISSA["top"]), 120), curve("M40,20Q0,-6 -36,-20", ISSA["skin"], 60), circ(0, 0, 52, ISSA["skin"]), curve("M-10,30Q-50,30 -66,20", ISSA["skin"], 36), x=990, y=560, shadow=True), *[curve(f"M{250 - i * 44},{400 - i * 14}q{-26 - i * 6},{70 + i * 6} 0,{140 + i * 20}", "#fbe3b4", 9, opacity=.9 - i * .25) for i in range(3)])
    # 5 through the town
    save(S, 5, street(6), house(-20, 640, 240, 230, "#c9704a", "#6a4038", "flat", win="#5a3a3c"), layer(rect(760, 420, 200, 230, "#f1e4cd"), path("M760,430Q760,330 860,310Q960,330 960,430Z", "#3f6b5a"), circ(860, 300, 9, "#e2b04a"), rect(985, 300, 54, 350, "#f1e4cd"), path("M976,304L1012,230L1048,304Z", "#3f6b5a"), path("M836,650V560a24,30 0 0 1 48,0V650Z", "#5a3a3c")), layer(rect(300, 500, 330, 150, "#8f5a3c")), awning(280, 450, 370, 60, "#f1e4cd", "#c8503a", 7), *[circ(330 + i * 34, 620 - (i % 2) * 12, 18, c) for i, c in enumerate(["#e2903a", "#c8503a", "#7d8a4a", "#e2b04a"] * 2)], road(640),
         bicycle(560, 850, 1.25, "#241f26"), g(person(0, 0, 430, **dict(ISSA, style="afro"), sit=1, look=.8, ra=(30, -46), la=(18, -46)), x=515, y=640), *[curve(f"M{700 + i * 34},{540 - i * 8}q{18 + i * 4},{26 + i * 4} 0,{52 + i * 10}", "#fff4dc", 7, opacity=.95 - i * .25) for i in range(3)],
         person(960, 800, 330, skin="#7a4a30", top="#3f6b5a", bottom="#e2b04a", style="wrap", hatc="#c8503a", legs="robe", look=-.6, mouth="flat"), person(1100, 810, 340, skin="#6b4029", top="#f1e4cd", bottom="#5a4a3c", hair="#1d1412", look=.7, mouth="flat", walk=3), person(150, 790, 320, skin="#7a4a30", top="#d98b34", bottom="#34456a", hair="#1d1412", look=-.5, walk=4, mouth="flat"))
    # 6 the step of the post office
    nuts = "".join(ell(x, y, 9, 6, "#d9a860") for x, y in ((640, 800), (668, 806), (700, 798), (612, 806), (730, 806)))
    save(S, 6, rect(0, 0, W, H, "#d98b5a"), *[rect(0, y, W, 4, "#c47a4c") for y in range(60, 640, 74)], layer(rect(420, 90, 620, 560, "#efd9a8", 6)), layer(rect(470, 130, 520, 90, "#34567a", 8)), el("text", "POSTE", x=730, y=196, font_family="DejaVu Serif, Georgia, serif", font_size=64, font_weight="bold", fill="#f6e3b0", text_anchor="middle", letter_spacing=18), layer(rect(650, 270, 170, 380, "#5a3a3c", 6)), rect(670, 290, 60, 170, "#7a5248", 4), rect(742, 290, 60, 170, "#7a5248", 4), layer(rect(880, 330, 90, 110, "#e2b04a", 8), rect(896, 356, 58, 10, "#5a3a3c", 4)),
         road(720), layer(rect(430, 690, 600, 60, "#c9b48a", 4), rect(380, 745, 700, 70, "#b59e74", 4)), person(720, 752, 500, **KARIM, look=-.8, la=(-28, -58), mouth="o"), nuts, bicycle(240, 870, 1.1, "#241f26"), g(person(0, 0, 380, **dict(ISSA, mouth="o"), sit=1, look=.9, ra=(30, -46), la=(18, -46)), x=200, y=685))
    # 7 down Station Road together
    save(S, 7, street(9, ("#d9703f", "#f9dca0")), *[house(x, 660, 150, h, c, "#6a4038", "flat", win="#f6cf7a") for x, h, c in ((-30, 150, "#b9603f"), (150, 200, "#c9803a"), (900, 190, "#b9603f"), (1080, 150, "#c9803a"))], palm(430, 660, 330), palm(830, 664, 280, flip=True), road(650), bicycle(620, 850, 1.45, "#241f26"),
         g(person(0, 0, 560, **KARIM, sit=1, look=.6, ra=(20, -62), la=(-18, -52)), x=440, y=632), g(person(0, 0, 480, **ISSA, sit=1, look=.7, ra=(34, -45), la=(22, -45)), x=575, y=610), *[curve(f"M{790 + i * 36},{500 - i * 8}q{18 + i * 4},{26 + i * 4} 0,{52 + i * 10}", "#fff4dc", 7, opacity=.95 - i * .25) for i in range(3)], *[gull(x, y, k, "#8f3a2c") for x, y, k in ((560, 170, .7), (660, 120, .5), (900, 220, .6))])


if __name__ == "__main__":
    main()
