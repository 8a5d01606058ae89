"""The four pictures of "The Walnut Boat"."""

from math import pi, sin

from book import *

HOME = "how-rivers-work/stories/the-walnut-boat/"
W, H = 720, 540


def boat(d, x, y, size=1.0, tilt=0):
    d.add(f'<g transform="translate({x} {y}) rotate({tilt}) scale({size})">')
    d.path("M-46 0C-42 30 -20 42 0 42S42 30 46 0Z", "#5a3d22", 2, "#8a5f36")
    for k in (-24, -8, 8, 24):
        d.path(f"M{k} 4C{k * 0.9:.0f} 20 {k * 0.6:.0f} 32 {k * 0.4:.0f} 38", "#5a3d22", 1.4)
    d.path("M-46 0C-30 -8 30 -8 46 0C30 8 -30 8 -46 0Z", "#5a3d22", 2, "#c79a63")
    d.circle(0, 0, 5, "#f3e7c4", "#8a6417", 1.2)
    d.line(0, 0, 2, -92, "#5a3d22", 3.4, cap="round")
    d.path("M2 -92C52 -84 62 -44 40 -12C24 -20 8 -34 2 -60Z", "#24553f", 2, "#5f9471")
    d.path("M6 -84C24 -66 34 -44 38 -16M16 -72L34 -72M24 -58L46 -58M30 -42L50 -40", "#24553f", 1.4)
    d.add("</g>")


def grass(d, points, colour="#4f7d5a"):
    for x, y in points:
        d.path(f"M{x} {y}q-4 -14 -9 -19M{x} {y}q0 -16 1 -25M{x} {y}q5 -13 11 -17", colour, 2.2)


def ripples(d, rows, colour="#e6efee"):
    for x, y, n in rows:
        d.path(f"M{x} {y}q12 -7 24 0" + "t24 0" * n, colour, 2)


def start(title, land="#c9d6b8"):
    d = Drawing(W, H, title)
    d.rect(0, 0, W, H, land, r=8)
    return d


def one():
    d = Drawing(W, H, "A walnut boat on a table")
    d.rect(0, 0, W, H, "#f2e8d2", r=8)
    d.circle(360, 250, 196, "#f8f1df")
    d.path("M0 400L720 400L720 532Q720 540 712 540L8 540Q0 540 0 532Z", "none", 0, "#b98f5e")
    for y in (440, 492):
        d.path(f"M0 {y}C200 {y - 8} 480 {y + 8} 720 {y - 2}", "#9c7547", 2)
    d.path("M250 420C300 406 430 406 480 420C440 432 300 432 250 420Z", "none", 0, "#9c7547")
    boat(d, 360, 320, 2.3)
    d.path("M110 452C96 424 128 404 150 416C176 404 200 428 186 450C180 470 118 472 110 452Z", "#5a3d22", 2, "#a5763f")
    d.path("M148 416C140 432 142 452 148 464M124 424C128 440 126 452 130 462M172 424C168 440 170 452 166 462", "#5a3d22", 1.5)
    d.path("M540 470C570 436 626 436 650 462C620 490 566 492 540 470ZM540 470L640 464", "#24553f", 2, "#5f9471")
    d.save(HOME + "01.svg")


def two():
    d = start("The boat on the outside of a bend")
    bend = "M-20 150C150 150 330 120 450 190C600 280 560 430 440 470C330 505 160 480 -20 520"
    d.path(bend, "#8fa583", 176, cap="butt")
    d.path(bend, "#e7d7ae", 164, cap="butt")
    d.path(bend, "#3f717b", 148, cap="butt")
    d.path("M-20 118C160 116 370 92 490 172C640 276 590 456 452 500", "#5c8f98", 20, cap="round")
    ripples(d, [(60, 140, 1), (210, 160, 0), (330, 130, 1), (470, 240, 0), (500, 420, 1), (300, 480, 1), (120, 500, 0)])
    grass(d, [(90, 300), (150, 340), (220, 290), (300, 330), (60, 360), (260, 360), (660, 120), (690, 420), (640, 500), (690, 250), (560, 90)])
    boat(d, 548, 285, 0.95, 12)
    d.save(HOME + "02.svg")


def three():
    d = start("The boat on a little beach")
    bend = "M740 90C560 100 300 60 200 170C110 280 180 430 320 450C450 470 600 430 740 450"
    d.path(bend, "#8fa583", 186, cap="butt")
    d.path(bend, "#3f717b", 158, cap="butt")
    d.path("M740 160C600 176 400 120 300 186C222 250 236 366 350 382C480 388 620 350 740 372C660 300 700 220 740 160Z", "none", 0, "#ead9ad")
    d.path("M740 196C610 206 440 170 366 222C310 268 330 326 396 338C490 350 620 320 740 336Z", "none", 0, "#c9d6b8")
    for k in range(46):
        d.circle(282 + (k * k * 0.6180339 % 1) * 52, 206 + (k * k * 0.7548776 % 1) * 140, 1.6, "#b79a5b")
    ripples(d, [(560, 90, 1), (380, 100, 1), (190, 220, 0), (180, 350, 0), (330, 440, 1), (560, 430, 1)])
    grass(d, [(480, 280), (560, 250), (640, 290), (60, 120), (40, 400), (110, 500), (520, 320), (690, 250)])
    boat(d, 292, 262, 0.95, -14)
    d.save(HOME + "03.svg")


def four():
    d = Drawing(W, H, "The boat sails towards the sea")
    d.rect(0, 0, W, H, "#f3dfc0", r=8)
    d.circle(470, 206, 62, "#e8b98a")
    d.rect(0, 214, W, 60, "#7fa3a8")
    for y, x in ((226, 420), (238, 440), (250, 410)):
        d.line(x, y, x + 110, y, "#f0d9b8", 2.4, cap="round")
    d.path("M0 214C60 196 150 190 210 214L210 274L0 274Z", "none", 0, "#8ba08a")
    d.path("M590 214C640 200 690 196 720 204L720 274L590 274Z", "none", 0, "#8ba08a")
    d.path("M0 268L720 268L720 532Q720 540 712 540L8 540Q0 540 0 532Z", "none", 0, "#c9d6b8")
    d.path("M430 266C520 300 300 330 330 380C352 420 560 440 610 540L110 540C120 440 230 430 240 376C248 330 440 300 400 266Z", "none", 0, "#3f717b")
    ripples(d, [(300, 350, 0), (260, 420, 1), (400, 470, 1), (200, 500, 1), (460, 520, 0)])
    grass(d, [(60, 360), (120, 420), (90, 500), (180, 330), (600, 360), (660, 420), (560, 330), (690, 500), (500, 400)])
    boat(d, 330, 438, 1.0, -4)
    d.save(HOME + "04.svg")


for draw in (one, two, three, four):
    draw()
