"""Pictures for "The Goat on the Bus"."""
from stories_kit import *

S = "the-goat-on-the-bus"
BIBI = dict(skin="#7a4a30", top="#2f6b5a", bottom="#d98b34", hair="#2f6b5a", style="scarf", legs="robe", trim="#b2452f", sleeve="#3f7d68")
MAN = dict(skin="#8a5636", top="#48557a", bottom="#2f3653", style="short", trim="#f1e4cd", beard="moustache")
TICKET = rect(-26, -14, 52, 28, "#f6e3b0", 3) + line([(-14, -4), (14, -4)], "#b2452f", 4) + line([(-14, 5), (6, 5)], "#8d8273", 3)
BAG = path("M-14,0Q-16,-22 0,-22T14,0Q0,4 -14,0Z", "#8a3a2a") + curve("M-8,-20Q0,-36 8,-20", "#8a3a2a", 2.5) + rect(-3, -14, 6, 4, "#e2b04a", 1)


def land(seed=2):
    return (sky("#f4c98a", "#fbe9c4", 5, 600, seed) + sun(930, 190, 66, "#e8823a") + ridge(520, 40, "#d9a05e", seed) + ridge(590, 26, "#b9793f", seed + 3)
            + palm(120, 640, 300) + palm(210, 650, 220, flip=True))


def bus(x, y, s, faces="", flip=False):
    o = rect(-330, -260, 640, 220, "#c8503a", 26) + rect(-330, -120, 640, 26, "#f1e4cd") + path("M310,-234Q352,-220 356,-120V-40H300Z", "#b2452f")
    o += rect(-310, -318, 560, 62, "#8a5434", 8)
    for i, c in enumerate(["#d98b34", "#2f6b5a", "#f1e4cd", "#48557a", "#d98b34"]):
        o += rect(-290 + i * 104, -352 - (i % 2) * 10, 90, 48 + (i % 2) * 10, c, 10) + line([(-290 + i * 104, -330), (-200 + i * 104, -330)], "#4a3024", 4)
    for i in range(4):
        o += rect(-304 + i * 112, -234, 94, 92, "#f8dfae", 10)
    o += rect(150, -234, 78, 190, "#8f3325", 6) + rect(158, -226, 62, 84, "#f8dfae", 6) + path("M252,-230H302Q330,-220 338,-142H252Z", "#f8dfae")
    o += faces + rect(-340, -52, 700, 20, "#5a2a26", 8) + circ(344, -84, 14, "#ffe2a0")
    for wx in (-200, 240):
        o += circ(wx, -36, 56, "#2a1d22") + circ(wx, -36, 26, "#b7a98e") + circ(wx, -36, 8, "#5a4a40")
    return g(o, x=x, y=y, s=s, flip=flip, shadow=True)


def inside(view=1, seats=True):
    o = rect(0, 0, 1200, 900, "#d9a05e")
    for i in range(3):
        x = 40 + i * 390
        o += rect(x - 14, 96, 368, 364, "#8f3325", 34)
        inner = rect(x, 110, 340, 336, "#fbe3b4", 24) + path(f"M{x},330Q{x + 120},{270 + view * 14} {x + 340},320V422Q{x + 340},446 {x + 316},446H{x + 24}Q{x},446 {x},422Z", "#d9a05e") + path(f"M{x},380Q{x + 200},{340 + view * 10} {x + 340},390V422Q{x + 340},446 {x + 316},446H{x + 24}Q{x},446 {x},422Z", "#6f8a52")
        if (i + view) % 2:
            inner += palm(x + 90, 410, 200)
        else:
            inner += sun(x + 230, 200, 40, "#e8823a", 2)
        o += inner
    o = layer(o) + layer(rect(0, 0, 1200, 64, "#b2452f"), rect(0, 64, 1200, 12, "#f1e4cd"))
    o += line([(0, 100), (1200, 100)], "#e9d3ae", 10) + "".join(curve(f"M{x},100v26a18,18 0 1 0 1,0", "#e9d3ae", 7) for x in (70, 420, 790, 1150))
    return o + layer(rect(0, 560, 1200, 340, "#a8683a"))


def seat(x, w=300, c="#3f6b5a", y=620):
    return layer(path(f"M{x},900V{y + 40}Q{x},{y} {x + 40},{y}H{x + w - 40}Q{x + w},{y} {x + w},{y + 40}V900Z", c), rect(x + 30, y + 30, w - 60, 18, light(c, .2), 9))


def main():
    # 1 the stop
    save(S, 1, land(), layer(rect(0, 690, 1200, 220, "#c98a4c")), layer(rect(0, 780, 1200, 130, "#8a5a40")), tree(820, 720, 560, "#5d7d4a", seed=4),
         line([(360, 720), (360, 440)], "#5a3a2e", 14), layer(rect(270, 380, 180, 84, "#48557a", 10)), g(bus(0, 0, .17), x=362, y=452, s=1),
         person(600, 770, 400, **BIBI, look=.3, ra=(22, -40), front=g(BAG, x=-18, y=-22)), curve("M690,606Q740,630 790,640", "#6a4530", 6), goat(810, 772, 1.12, calm=True), grass(770, "#7d8a4a", 26, 4))
    # 2 the bus comes
    save(S, 2, land(5), layer(rect(0, 660, 1200, 250, "#c98a4c")), layer(rect(0, 740, 1200, 170, "#8a5a40")), *[rect(x, 836, 90, 12, "#e9c98e", 4) for x in range(20, 1200, 190)],
         bus(480, 770, 1.3), person(800, 790, 330, **BIBI, look=-.6, la=(-20, -64), front=g(BAG, x=18, y=-22)), goat(1050, 800, .98, flip=True))
    # 3 by the window
    b = dict(BIBI, bust=True)
    save(S, 3, inside(1), person(330, 640, 500, **b, look=.6, ra=(20, -66), front=g(TICKET, x=25, y=-72, s=.33)), goat(740, 760, 1.5, calm=True), seat(90, 400), seat(560, 400, "#3f6b5a"), person(1120, 660, 440, skin="#6b4029", top="#d98b34", style="afro", bust=True, look=-.5), seat(1000, 300))
    # 4 munch
    bits = g(poly([(-6, -12), (34, -18), (40, 12), (28, 6), (18, 16), (8, 6), (-4, 12)], "#f6e3b0"), line([(4, -6), (26, -9)], "#b2452f", 4), s=1)
    save(S, 4, rect(0, 0, 1200, 900, "#e8b56a"), sun(700, 380, 230, "#f6d795", 3), ridge(800, 20, "#a8683a", 3), goat(430, 1120, 3.3, chew=bits, calm=False),
         *[g(rect(-12, -8, 24, 16, "#f6e3b0", 2), x=x, y=y, rot=r) for x, y, r in ((1010, 690, 20), (1070, 600, -30), (960, 770, 50), (1100, 740, 10))])
    # 5 tickets, please
    save(S, 5, inside(2), person(430, 640, 480, **dict(b, mouth="o"), look=.7), goat(70, 770, 1.35), seat(-60, 320), seat(290, 330),
         person(860, 890, 720, **MAN, hat="cap", hatc="#48557a", look=-.7, la=(-30, -62), mouth="flat", front=rect(8, -66, 6, 4, "#e2b04a", 1)), seat(1040, 300))
    # 6 looking for it
    shoe = path("M-22,0Q-24,-16 -8,-18Q2,-6 22,-6Q28,0 22,4H-22Z", "#e2b04a") + path("M-22,0H24V5H-22Z", "#8a3a2a")
    save(S, 6, inside(3), goat(775, 770, 1.5), person(400, 640, 560, **dict(b, mouth="flat"), look=.7, la=(-22, -56), ra=(31, -86), front=g(BAG, x=-24, y=-50, s=1.1) + g(shoe, x=34, y=-85, s=.72, rot=-14)),
         seat(160, 440), seat(612, 400), person(1112, 890, 720, **MAN, hat="cap", hatc="#48557a", look=-.8, mouth="flat"))
    # 7 everybody laughs
    save(S, 7, inside(4), person(130, 640, 430, skin="#6b4029", top="#d98b34", style="afro", bust=True, mouth="laugh", closed=True, look=.4), person(470, 640, 480, **dict(b, mouth="laugh", closed=True), look=.5, ra=(8, -64)), goat(690, 765, 1.3, calm=True),
         seat(-60, 340), seat(300, 310), seat(604, 310), person(960, 890, 720, **dict(MAN, mouth="laugh", beard=None), hat="cap", hatc="#48557a", look=-.5, closed=True, la=(-9, -52), ra=(10, -50)), person(1140, 660, 420, skin="#8a5636", top="#2f6b5a", style="wrap", hatc="#e2b04a", bust=True, mouth="laugh", closed=True), seat(1050, 260))
    # 8 where is the hat
    hat = g(path("M-30,0Q-32,-34 6,-34T40,0Z", "#48557a"), rect(-32, -8, 74, 12, "#2f3653"), path("M30,2Q60,4 66,14L24,8Z", "#232942"), circ(6, -20, 5, "#e2b04a"), s=1.0, rot=14)
    man = person(-34, -142, 190, skin="#8a5636", top="#48557a", style="thin", hair="#241812", mouth="o", bust=True, look=-.5, la=(-22, -86), ra=(22, -86))
    save(S, 8, land(9), layer(rect(0, 640, 1200, 270, "#c98a4c")), layer(rect(0, 690, 1200, 60, "#8a5a40")), bus(900, 722, .72, faces=man), layer(path("M0,810Q500,740 1200,830V900H0Z", "#b9793f")),
         person(230, 850, 420, **dict(BIBI, mouth="smile"), look=.6, front=g(BAG, x=18, y=-26)), goat(480, 850, 1.5, chew=g(hat, x=10, y=-2), calm=False), grass(850, "#7d8a4a", 30, 8))


if __name__ == "__main__":
    main()
