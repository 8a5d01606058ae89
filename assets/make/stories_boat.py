"""Pictures for "The Day the School Sailed Away"."""
from stories_kit import *

S = "the-day-the-school-sailed"
TULI = dict(skin="#8f5a3c", top="#e2803a", bottom="#b2452f", hair="#1d1412", style="braids", kid=True, legs="robe")
BABU = dict(skin="#7d4c32", top="#4f8a5a", bottom="#34456a", hair="#1d1412", style="short", kid=True)
RAHMAN = dict(skin="#8f5a3c", top="#f6efe0", bottom="#4d6a8a", hair="#2a2226", style="short", glasses=True, legs="robe", trim="#34456a", beard="moustache")
KIDS = [TULI, BABU, dict(TULI, top="#c8503a", style="bob"), dict(BABU, top="#e2b04a"), dict(TULI, top="#7a5a8a", style="pony"), dict(BABU, top="#3f7480")]
WORLD = ["M-250,-70Q-230,-120 -150,-112Q-96,-110 -110,-70Q-140,-40 -150,-10Q-190,-30 -250,-70Z", "M-140,0Q-90,0 -84,40Q-110,90 -124,120Q-150,80 -150,30Z", "M-96,-124q40,-16 52,4q-20,26 -40,20Z",
         "M-20,-90Q20,-120 60,-100L70,-60Q20,-50 -16,-60Z", "M-24,-40Q40,-50 64,-20Q50,40 26,84Q4,60 0,10Q-30,0 -24,-40Z", "M70,-100Q160,-130 250,-90Q240,-50 190,-30L176,16L150,-20L126,24L104,-24L76,-50Z", "M176,56Q220,36 240,66Q226,100 186,92Z"]


def world(x, y, s, bulge=0, rope=True):
    cols = ["#d98b34", "#7d9a4a", "#f6efe0", "#c8503a", "#e2b04a", "#8f5a7a", "#d9703f"]
    o = path(f"M-290,-150Q0,{-150 - bulge * .2} 290,-150Q{290 + bulge},0 290,150Q0,{150 + bulge * .25} -290,150Q{-290 + bulge},0 -290,-150Z", "#6fa7b0")
    o += "".join(curve(f"M{-280 + bulge * .7},{yy}H{280 + bulge * .7}", "#8fbfc2", 2) for yy in (-80, 0, 80))
    return g(o + g(*[path(d, c) for d, c in zip(WORLD, cols)], x=bulge * .62, s=1), x=x, y=y, s=s, shadow=True)


def boat(x, y, s, kids=6, sail=False, rope=False, flip=False, duck_on=False):
    """Hull 900 long, waterline at y."""
    o = ""
    if sail:
        o += line([(0, -130), (0, -640)], "#5a3a2c", 16) + line([(-250, -610), (260, -610)], "#5a3a2c", 12) + world(10, -440, .86, 90) + line([(-240, -312), (-330, -170)], "#d9c49a", 5) + line([(262, -312), (330, -170)], "#d9c49a", 5)
    o += rect(-330, -260, 660, 190, "#8a5a3c") + rect(-318, -236, 636, 120, "#f3d9a0")
    for i in range(kids):
        o += g(person(0, 0, 150, **dict(KIDS[i % 6], mouth=["smile", "o", "laugh"][i % 3]), bust=True, look=[-.5, .6, .2][i % 3]), x=-262 + i * 105, y=-96)
    for i in range(7):
        o += rect(-336 + i * 108, -262, 20, 160, "#6a4030")
    o += path("M-380,-254Q0,-330 380,-254V-236Q0,-300 -380,-236Z", "#b7a98e") + "".join(line([(-350 + i * 50, -252 - 30 * (1 - ((i - 7) / 7) ** 2)), (-350 + i * 50, -240 - 34 * (1 - ((i - 7) / 7) ** 2))], "#8d8273", 4) for i in range(15))
    o += path("M-480,-140Q-380,-104 0,-104T480,-150Q440,-30 330,10H-320Q-430,-30 -480,-140Z", "#6a3f2c") + path("M-474,-122Q-380,-84 0,-84T474,-132L466,-112Q380,-64 0,-64T-468,-104Z", "#c8503a")
    o += path("M-470,-20Q0,20 470,-20V40H-470Z", "none")
    if rope:
        o += curve("M-470,-130Q-560,-60 -640,6T-760,14", "#d9c49a", 8)
    if duck_on:
        o += duck(400, -120, .55)
    return g(o, x=x, y=y, s=s, flip=flip, shadow=True)


def river(y=560, a="#a8b07a", b="#3f6a68", n=6):
    return waves(y, 860, mix(b, "#c9d3a8", .55), b, n, 6, 180)


def day(seed=1):
    return sky("#9cc0b8", "#f9e6b8", 6, 560, seed) + cloud(240, 150, 1.0) + cloud(880, 110, 1.3)


def banks(y=520, seed=1):
    return ridge(y, 8, "#7d9a58", seed) + "".join(palm(x, y + 20, h, flip=f) for x, h, f in ((90, 230, 0), (170, 190, 1), (1050, 240, 0), (1130, 200, 1)))


def inside():
    o = rect(0, 0, W, H, "#a8683f") + "".join(rect(0, y, W, 5, "#94582f") for y in range(40, 620, 70))
    o += layer(rect(60, 110, 300, 210, "#6a4030", 8)) + rect(80, 130, 260, 170, "#c9dfc8") + path("M80,240q40,-16 80,0t80,0t100,0V300H80Z", "#4f7d7a")
    o += layer(rect(420, 80, 380, 260, "#6a4030", 8)) + rect(440, 100, 340, 220, "#2f4a42") + layer(rect(850, 110, 300, 210, "#6a4030", 8)) + rect(870, 130, 260, 170, "#c9dfc8") + path("M870,240q40,-16 80,0t80,0t100,0V300H870Z", "#4f7d7a")
    return o + layer(rect(0, 640, W, 270, "#8a5434"))


def chalk(t, x, y, size=50):
    return el("text", t, x=x, y=y, font_family="DejaVu Serif, Georgia, serif", font_size=size, fill="#f6efe0", text_anchor="middle", opacity=.9)


def umbrella(x, y, s, rot=0):
    return g(line([(0, 0), (0, -170)], "#3a2a26", 6), curve("M0,0q0,18 -14,16", "#3a2a26", 6), path("M-120,-160Q-100,-270 0,-276Q100,-270 120,-160Q90,-182 60,-160Q30,-182 0,-160Q-30,-182 -60,-160Q-90,-182 -120,-160Z", "#33283a"), path("M-60,-160Q-50,-240 0,-276Q50,-240 60,-160Q30,-182 0,-160Q-30,-182 -60,-160Z", "#463a50"), x=x, y=y, s=s, rot=rot)


def desk(x, y, w=260):
    return layer(rect(x + 16, y + 20, w - 32, 300, "#5a3628"), rect(x, y, w, 30, "#c98a4c", 5))


def main():
    # 1 the school
    save(S, 1, day(1), banks(), river(560), boat(600, 720, 1.06, 6), waves(760, 860, "#5f8f86", "#3f6a68", 3, 8, 170), g(line([(1060, 520), (1060, 700)], "#5a3a2c", 12), x=0, y=10), duck(180, 800, .7), duck(280, 840, .5))
    # 2 off for chalk
    save(S, 2, day(2), ridge(500, 8, "#7d9a58", 3), river(520, n=5), boat(330, 660, .95, 6), layer(path("M620,920Q700,700 860,640T1220,590V920Z", "#9ab06a"), path("M700,920Q780,760 900,710T1220,660V920Z", "#7d9a58")), house(960, 650, 200, 130, "#d9a878", "#a8683f", "thatch", nwin=1), palm(900, 660, 300, flip=True), line([(690, 800), (690, 730)], "#5a3a2c", 16), curve("M690,740Q740,640 780,552", "#d9c49a", 7), curve("M676,748q14,10 28,0M676,758q14,10 28,0", "#d9c49a", 6), curve("M704,752q30,14 24,44", "#d9c49a", 6),
         umbrella(930, 690, .9, 6), person(860, 850, 330, **RAHMAN, look=.7, walk=3, ra=(21, -52)))
    # 3 the shop is walking away
    save(S, 3, day(4), ridge(470, 8, "#7d9a58", 5), house(70, 510, 150, 100, "#d9a878", "#a8683f", "thatch", nwin=1), palm(260, 520, 240), palm(40, 530, 200, flip=True), layer(path("M-20,500Q200,480 420,560Q440,600 300,620H-20Z", "#9ab06a")), umbrella(392, 470, .5, 30), person(340, 590, 190, **RAHMAN, look=.8, walk=7, la=(-24, -80), ra=(22, -66), mouth="o"), river(580, n=6), boat(800, 790, .98, 6, rope=True), waves(820, 870, "#4d7d78", "#3f6a68", 2, 8, 170))
    # 4 everyone shouts
    save(S, 4, inside(), chalk("8 × 7 = ?", 610, 190), chalk("45 ÷ 9 = ?", 610, 270), layer(rect(960, 430, 130, 30, "#6a4030", 6), rect(960, 300, 22, 330, "#6a4030", 6), rect(1070, 430, 20, 210, "#6a4030")), duck(1030, 434, 1.15, flip=True),
         person(560, 700, 470, **dict(TULI, mouth="laugh"), bust=True, look=.1, la=(-24, -40), ra=(20, -98)), person(180, 700, 400, **dict(BABU, mouth="o"), bust=True, look=-.4, la=(-22, -96), ra=(24, -94)), person(850, 710, 390, **dict(KIDS[2], mouth="o"), bust=True, look=.5), desk(50, 640, 270), desk(420, 640, 290), desk(740, 650, 250), person(340, 930, 400, **dict(KIDS[3], mouth="laugh"), bust=True, look=.6), person(1080, 940, 400, **dict(KIDS[4], mouth="o"), bust=True, look=-.6))
    # 5 the sum
    poles = "".join(line([(x, 500), (x, 250)], "#5a3a2c", 10) + line([(x - 36, 280), (x + 36, 280)], "#5a3a2c", 7) for x in (160, 600, 1040)) + "".join(curve(f"M{x},{283}Q{x + 220},340 {x + 440},283", "#4a3a3c", 3) for x in (-316, -244, 124, 196, 564, 636, 1004, 1076))
    save(S, 5, day(6), ridge(490, 6, "#7d9a58", 8), poles, curve("M176,420H584", "#8f3325", 5, stroke_dasharray="14 12"), path("M160,420l26,-14v28ZM600,420l-26,-14v28Z", "#8f3325"), g(chalk("50 m", 380, 402, 46).replace("#f6efe0", "#8f3325")), river(520, n=5), person(370, 742, 440, **BABU, bust=True, look=.2, la=(-20, -58), ra=(27, -86), mouth="o"), person(770, 750, 480, **TULI, bust=True, look=-.5, la=(-12, -52), ra=(14, -54)), g(rect(-60, -74, 120, 84, "#2f4a42", 4), rect(-60, -74, 120, 84, "none", 4, stroke="#8a5434", stroke_width=9), chalk("50 s", 0, -22, 36), x=772, y=690, rot=-4, shadow=True), layer(rect(0, 720, W, 190, "#6a3f2c"), rect(0, 720, W, 26, "#c8503a")))
    # 6 the map fills
    save(S, 6, sky("#8fb8b4", "#f9e6b8", 6, 700, 9), cloud(180, 140, .8), ridge(650, 8, "#7d9a58", 5), river(690, n=4), line([(600, 900), (600, 40)], "#5a3a2c", 22), line([(160, 78), (1050, 78)], "#5a3a2c", 16), world(590, 330, 1.42, 110), line([(182, 540), (120, 760)], "#d9c49a", 7), line([(1004, 540), (1080, 760)], "#d9c49a", 7), *[curve(f"M{20},{200 + i * 110}q60,-24 110,0t90,0", "#fff4dc", 6, opacity=.7) for i in range(3)],
         layer(rect(0, 800, W, 110, "#6a3f2c"), rect(0, 796, W, 22, "#c8503a")), person(150, 850, 330, **dict(KIDS[3], mouth="laugh"), bust=True, look=.5, ra=(10, -100), la=(-22, -90)), person(400, 850, 320, **dict(BABU, mouth="o"), bust=True, look=.4), person(800, 850, 330, **dict(TULI, mouth="laugh"), bust=True, look=-.4), person(1060, 850, 330, **dict(KIDS[5], mouth="o"), bust=True, look=-.6, la=(-12, -100), ra=(22, -84)), layer(rect(0, 830, W, 80, "#6a3f2c")))
    # 7 all of them
    save(S, 7, day(11), banks(560, 4), river(600, n=5), boat(440, 720, .84, 6, sail=True, duck_on=True), g(path("M-150,-40Q0,10 150,-50Q120,30 80,34H-80Q-130,20 -150,-40Z", "#4a3024"), x=1000, y=800, shadow=True) , person(960, 770, 210, skin="#7d4c32", top="#f1e4cd", bottom="#8f3a2c", hair="#1d1412", bust=True, look=-.7, mouth="o", hat="straw", la=(-22, -66)), person(1060, 768, 200, skin="#8f5a3c", top="#8f3a5a", bottom="#8f3a5a", hair="#c8503a", style="scarf", bust=True, look=-.7, la=(-26, -80)), g(path("M-150,-40Q0,10 150,-50Q120,30 80,34H-80Q-130,20 -150,-40Z", "#4a3024"), x=1000, y=800), curve("M870,770Q800,800 790,860M880,776Q830,820 850,866M866,764Q760,780 740,850M790,840q30,10 56,0", "#e9d9b0", 3, opacity=.8), waves(830, 880, "#4d7d78", "#3f6a68", 2, 8, 170))
    # 8 up to his knees
    save(S, 8, day(13), ridge(480, 8, "#7d9a58", 9), palm(1120, 510, 300, flip=True), house(900, 510, 150, 100, "#d9a878", "#a8683f", "thatch", nwin=1), river(540, n=4), g(boat(0, 0, 1.15, 3), x=-110, y=800), line([(520, 900), (520, 640)], "#5a3a2c", 26), curve("M350,636Q430,690 505,690", "#d9c49a", 9), *[curve(f"M504,{686 + i * 13}q16,12 32,0", "#d9c49a", 9) for i in range(3)],
         umbrella(905, 560, 1.15, 8), person(800, 880, 520, **RAHMAN, look=-.8, ra=(21, -60), mouth="flat", front=g(rect(-11, -12, 22, 12, "#f1e4cd", 1), rect(-11, -12, 22, 4, "#c8503a", 1), x=0, y=-101)), waves(790, 860, "#5f8f86", "#3f6a68", 3, 9, 160), person(400, 740, 400, **TULI, bust=True, look=.8, ra=(27, -52), la=(-14, -44)), layer(path("M-20,690Q200,700 470,650L440,900H-20Z", "#6a3f2c"), path("M-20,690Q200,700 470,650L468,676Q200,726 -20,716Z", "#c8503a")))


if __name__ == "__main__":
    main()
