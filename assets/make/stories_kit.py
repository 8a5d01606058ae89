"""A small paper-cut drawing kit for the demo stories.

Every function returns a piece of SVG as text; `save` stacks the pieces, renders them with rsvg-convert, lays a
little paper grain over the result and writes a WebP of 1200 x 900. Units are picture units (1200 x 900) unless a
function says otherwise; figures are drawn in a space where they stand 100 units high, feet at the origin.
"""
import io
import math
import os
import random
import subprocess

import numpy as np
from PIL import Image, ImageFilter

W, H = 1200, 900
HERE = os.path.dirname(os.path.abspath(__file__))
STORIES = os.path.join(os.path.dirname(HERE), "stories")


# ---- plain shapes ---------------------------------------------------------------------------------------------
def _f(v):
    return f"{v:.1f}".rstrip("0").rstrip(".") if isinstance(v, float) else str(v)


def el(name, body="", **a):
    at = "".join(f' {k.rstrip("_").replace("_", "-")}="{_f(v)}"' for k, v in a.items() if v is not None)
    return f"<{name}{at}>{body}</{name}>"


def path(d, fill="none", **k):
    return el("path", d=d, fill=fill, **k)


def rect(x, y, w, h, fill, r=0, **k):
    return el("rect", x=x, y=y, width=w, height=h, fill=fill, rx=r, **k)


def circ(x, y, r, fill, **k):
    return el("circle", cx=x, cy=y, r=r, fill=fill, **k)


def ell(x, y, rx, ry, fill, **k):
    return el("ellipse", cx=x, cy=y, rx=rx, ry=ry, fill=fill, **k)


def poly(pts, fill, **k):
    return el("polygon", points=" ".join(f"{_f(float(a))},{_f(float(b))}" for a, b in pts), fill=fill, **k)


def line(pts, stroke, w=4, **k):
    k.setdefault("stroke_linecap", "round")
    k.setdefault("stroke_linejoin", "round")
    return el("polyline", points=" ".join(f"{_f(float(a))},{_f(float(b))}" for a, b in pts), fill="none",
              stroke=stroke, stroke_width=w, **k)


def curve(d, stroke, w=4, **k):
    return path(d, "none", stroke=stroke, stroke_width=w, stroke_linecap="round", stroke_linejoin="round", **k)


def g(*items, x=0, y=0, s=1, rot=0, flip=False, shadow=False, op=None, clip=None):
    t = f"translate({_f(float(x))} {_f(float(y))}) rotate({_f(float(rot))}) scale({-s if flip else s:.4g} {s:.4g})"
    return el("g", "".join(items), transform=t, filter="url(#lift)" if shadow else None, opacity=op, clip_path=clip)


def layer(*items):
    """A sheet of paper: everything in it throws one soft shadow on what lies below."""
    return el("g", "".join(items), filter="url(#lift)")


def clipped(x, y, w, h, *items):
    cid = f"c{int(x)}-{int(y)}-{int(w)}-{int(h)}"
    return el("clipPath", rect(x, y, w, h, "#000"), id=cid) + el("g", "".join(items), clip_path=f"url(#{cid})")


def smooth(pts, closed=True):
    n, d = len(pts), f"M{pts[0][0]:.1f},{pts[0][1]:.1f}"
    for i in range(n if closed else n - 1):
        p = [pts[(i + k) % n] if closed else pts[min(max(i + k, 0), n - 1)] for k in (-1, 0, 1, 2)]
        c1 = (p[1][0] + (p[2][0] - p[0][0]) / 6, p[1][1] + (p[2][1] - p[0][1]) / 6)
        c2 = (p[2][0] - (p[3][0] - p[1][0]) / 6, p[2][1] - (p[3][1] - p[1][1]) / 6)
        d += f"C{c1[0]:.1f},{c1[1]:.1f} {c2[0]:.1f},{c2[1]:.1f} {p[2][0]:.1f},{p[2][1]:.1f}"
    return d + ("Z" if closed else "")


def blob(pts, fill, **k):
    return path(smooth(pts), fill, **k)


def mix(a, b, t):
    pa, pb = [int(a[i:i + 2], 16) for i in (1, 3, 5)], [int(b[i:i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(u + (v - u) * t):02x}" for u, v in zip(pa, pb))


def dark(c, t=.25):
    return mix(c, "#1a1020", t)


def light(c, t=.25):
    return mix(c, "#fff4dc", t)


# ---- land, sea, sky -------------------------------------------------------------------------------------------
def sky(top, low, bands=6, to=900, seed=1):
    rnd, out = random.Random(seed), rect(0, 0, W, H, top)
    for i in range(1, bands):
        y = to * i / bands
        pts = [(x, y + rnd.uniform(-16, 16)) for x in range(-100, 1400, 240)]
        out += path(smooth(pts, False) + "V900H-100Z", mix(top, low, i / (bands - 1)))
    return out


def ridge(y, amp, fill, seed=1, step=170, sharp=False):
    rnd = random.Random(seed)
    pts = [(x + rnd.uniform(-.2, .2) * step, y + rnd.uniform(-amp, amp)) for x in range(-200, 1500, step)]
    d = "M" + "L".join(f"{a:.1f},{b:.1f}" for a, b in pts) if sharp else smooth(pts, False)
    return layer(path(d + "V960H-220Z", fill))


def peak(x, y, w, h, fill, snow="#f4ead6"):
    """A folded paper mountain with its top at (x, y)."""
    b = y + h
    out = poly([(x, y), (x + w / 2, b), (x - w / 2, b)], fill) + poly([(x, y), (x + w / 2, b), (x + w * .08, b)], dark(fill, .16))
    t = .3
    out += poly([(x, y), (x + w / 2 * t, y + h * t), (x + w * .07, y + h * t * .78), (x, y + h * t * 1.12),
                 (x - w * .07, y + h * t * .8), (x - w / 2 * t, y + h * t)], snow)
    return layer(out)


def sea(y, fill, amp=10, wl=120, ph=0):
    d = f"M-140,{y}"
    x = -140 + ph
    d += f"H{x}"
    while x < 1400:
        d += f"q{wl / 4},{-amp * 2} {wl / 2},0t{wl / 2},0"
        x += wl
    return layer(path(d + "V960H-140Z", fill))


def waves(y0, y1, c0, c1, n=5, amp=9, wl=130):
    return "".join(sea(y0 + (y1 - y0) * (i / max(n - 1, 1)) ** 1.3, mix(c0, c1, i / max(n - 1, 1)), amp * (.6 + i * .25),
                       wl * (.7 + i * .16), (i * 53) % 100 - 60) for i in range(n))


def sun(x, y, r, fill, rings=3, halo=None):
    halo = halo or fill
    return "".join(circ(x, y, r * (1 + .38 * (rings - i)), halo, opacity=.13) for i in range(rings)) + circ(x, y, r, fill)


def moon(x, y, r, fill="#f6e7bd", back=None):
    m = circ(x, y, r, fill)
    if back:
        m += circ(x + r * .42, y - r * .16, r * .86, back)
    return circ(x, y, r * 1.5, fill, opacity=.1) * (back is None) + m


def stars(n, y1, fill="#f6e7bd", seed=3, y0=20):
    r = random.Random(seed)
    return "".join(circ(r.uniform(10, 1190), r.uniform(y0, y1), r.choice([2, 2.5, 3, 4.5]), fill, opacity=r.choice([.6, .8, 1]))
                   for _ in range(n))


def cloud(x, y, s, fill="#fbf1dc", op=None):
    return g(path("M-100,30Q-130,28 -126,2Q-118,-26 -84,-20Q-70,-62 -20,-56Q10,-86 52,-58Q92,-56 94,-22Q132,-18 126,12Q122,32 96,30Z", fill),
             x=x, y=y, s=s, shadow=True, op=op)


def gull(x, y, s, c="#f6efe0"):
    return g(path("M-40,-8Q-20,-26 0,0Q20,-26 40,-8Q20,-14 0,8Q-20,-14 -40,-8Z", c), x=x, y=y, s=s)


def grass(y, c, n=40, seed=5, x0=0, x1=1200, h=26):
    r = random.Random(seed)
    o = ""
    for _ in range(n):
        x, k, yy = r.uniform(x0, x1), r.uniform(.6, 1.3), y + r.uniform(-12, 12)
        o += path(f"M{x - 8 * k:.0f},{yy:.0f}q2,{-h * k * .6:.0f} {-4 * k:.0f},{-h * k:.0f}q10,8 {10 * k:.0f},{h * k * .55:.0f}q2,{-h * k * .5:.0f} {12 * k:.0f},{-h * k * .8:.0f}q-6,14 -4,{h * k:.0f}Z", c)
    return o


# ---- trees ----------------------------------------------------------------------------------------------------
def tree(x, y, h, leaf, trunk="#5b3a2a", seed=1, fruit=None):
    r, o = random.Random(seed), ""
    o += path(f"M-9,0Q-5,-30 -6,-60L6,-60Q5,-30 10,0Z", trunk)
    o += curve("M0,-50Q8,-66 20,-72M0,-46Q-10,-60 -20,-66", trunk, 6)
    for cx, cy, rr in [(0, -88, 34), (-30, -72, 25), (30, -74, 26), (-16, -104, 22), (18, -108, 20)]:
        o += circ(cx, cy, rr, mix(leaf, dark(leaf), r.uniform(0, .25)))
    for cx, cy, rr in [(-8, -98, 18), (16, -84, 14), (-30, -78, 11)]:
        o += circ(cx, cy, rr, light(leaf, .16))
    if fruit:
        for _ in range(12):
            o += circ(r.uniform(-40, 40), r.uniform(-118, -60), 3.6, fruit)
    return g(o, x=x, y=y, s=h / 125, shadow=True)


def palm(x, y, h, leaf="#3f6b4c", trunk="#6a4530", flip=False):
    o = path("M-6,0Q-14,-50 2,-100L8,-99Q-4,-50 6,0Z", trunk)
    for i in range(1, 9):
        o += curve(f"M{-8 + (i > 5) * 2},{-i * 10}q6,3 11,0", dark(trunk, .3), 1.4)
    for a, l in [(-170, 46), (-140, 50), (-100, 40), (-62, 46), (-30, 50), (5, 44), (195, 40)]:
        o += g(path(f"M0,0Q{l * .5},-12 {l},4Q{l * .85},2 {l * .8},9Q{l * .65},2 {l * .6},8Q{l * .45},1 {l * .4},7Q{l * .2},2 0,0Z",
                    leaf if a % 20 else dark(leaf, .2)), x=4, y=-100, rot=a + 8)
    return g(o, x=x, y=y, s=h / 130, flip=flip, shadow=True)


def pine(x, y, h, c):
    o = rect(-4, -18, 8, 20, "#4a3024")
    for i in range(4):
        o += poly([(0, -100 + i * 12), (14 + i * 7, -64 + i * 17), (-14 - i * 7, -64 + i * 17)], mix(c, dark(c), .1 * (3 - i)))
    return g(o, x=x, y=y, s=h / 100, shadow=True)


def bush(x, y, w, c, seed=1):
    r, o = random.Random(seed), ""
    for i in range(7):
        o += circ((i - 3) * 15 + r.uniform(-4, 4), -14 - (9 - (i - 3) ** 2) * 2.2, r.uniform(15, 22), mix(c, dark(c), r.uniform(0, .25)))
    return g(o + rect(-60, -18, 120, 20, c, 10), x=x, y=y, s=w / 120, shadow=True)


# ---- buildings and things -------------------------------------------------------------------------------------
def house(x, y, w, h, wall, roof, kind="gable", win="#f6cf7a", door="#5b3a2a", nwin=2):
    o = rect(0, -h, w, h, wall) + rect(w * .82, -h, w * .18, h, dark(wall, .12))
    if kind == "gable":
        o += poly([(-w * .08, -h), (w / 2, -h - w * .42), (w * 1.08, -h)], roof) + poly([(w / 2, -h - w * .42), (w * 1.08, -h), (w * .86, -h)], dark(roof, .2))
    elif kind == "flat":
        o += rect(-w * .04, -h - 14, w * 1.08, 18, roof, 3)
    elif kind == "thatch":
        o += path(f"M{-w * .12},{-h + 10}Q{w * .1},{-h - w * .5} {w / 2},{-h - w * .52}Q{w * .9},{-h - w * .5} {w * 1.12},{-h + 10}Z", roof)
    dw = w * .2
    o += rect(w * .5 - dw / 2, -h * .55, dw, h * .55, door, 3)
    ws = w * .17
    for i in range(nwin):
        wx = w * (.12 if i == 0 else .71)
        o += rect(wx, -h * .66, ws, ws * 1.15, win, 2) + line([(wx + ws / 2, -h * .66), (wx + ws / 2, -h * .66 + ws * 1.15)], dark(wall, .4), 3)
    return g(o, x=x, y=y, shadow=True)


def bulbs(x0, y0, x1, y1, n, sag=60, c="#ffd98a", wire="#3a2230"):
    mx, my = (x0 + x1) / 2, (y0 + y1) / 2 + sag * 2
    o = curve(f"M{x0},{y0}Q{mx},{my} {x1},{y1}", wire, 4)
    for i in range(1, n):
        t = i / n
        px = (1 - t) ** 2 * x0 + 2 * t * (1 - t) * mx + t * t * x1
        py = (1 - t) ** 2 * y0 + 2 * t * (1 - t) * my + t * t * y1
        o += circ(px, py + 14, 26, c, opacity=.18) + circ(px, py + 14, 11, c) + rect(px - 4, py - 2, 8, 8, wire)
    return o


def awning(x, y, w, h, a, b, n=8):
    o, s = "", w / n
    for i in range(n):
        c = a if i % 2 else b
        o += path(f"M{i * s},0H{(i + 1) * s}V{h}a{s / 2},{s / 2} 0 0 1 {-s},0Z", c)
    return g(o, x=x, y=y, shadow=True)


def wheel(x, y, r, c="#221a1c", spoke="#8d8273", n=14, hub="#b7a98e"):
    o = "".join(line([(x, y), (x + r * math.cos(i * 2 * math.pi / n), y + r * math.sin(i * 2 * math.pi / n))], spoke, 2) for i in range(n))
    return o + circ(x, y, r, "none", stroke=c, stroke_width=r * .13) + circ(x, y, r * .1, hub)


def bicycle(x, y, s, frame="#2a2630", bell=True, carrier=True, wheels=(True, True)):
    """Faces right; the wheels touch y; 300 units long at s = 1."""
    f, o = frame, ""
    if wheels[0]:
        o += wheel(-100, -68, 64)
    if wheels[1]:
        o += wheel(108, -68, 64)
    bb, seat, head = (-6, -66), (-40, -158), (78, -158)
    o += line([(-100, -68), bb, head], f, 10) + line([(-100, -68), (-36, -146), head], f, 9) + line([bb, seat], f, 10)
    o += line([(108, -68), (80, -166), (72, -194)], f, 10)
    o += curve("M72,-194Q66,-208 40,-204", f, 9) + line([(46, -204), (28, -202)], "#6a4530", 13)
    o += path("M-74,-168Q-60,-182 -24,-174Q-6,-172 -4,-164Q-20,-160 -34,-160Q-62,-152 -74,-168Z", "#6b3f28")
    o += circ(*bb, 20, "none", stroke="#8d8273", stroke_width=7) + line([(-6, -66), (12, -36)], "#8d8273", 7) + line([(2, -34), (24, -34)], "#3a2a22", 9)
    o += line([(-100, -60), (-4, -46)], "#4a443f", 3) + line([(-100, -76), (-4, -86)], "#4a443f", 3)
    if carrier:
        o += line([(-150, -142), (-60, -142)], f, 8) + line([(-138, -142), (-100, -68)], f, 5)
    if bell:
        o += path("M54,-212a15,15 0 0 1 30,0Z", "#e2b04a") + circ(69, -226, 3.5, "#8a6417")
    return g(o, x=x, y=y, s=s, shadow=True)


def lighthouse(x, y, h, lit=True, beam=None, body="#f1e4cd", stripe="#b2452f"):
    o = ""
    if lit and beam:
        o += poly([(0, -92), (-260, -150), (-260, -66)], "#ffe2a0", opacity=.35) + poly([(0, -92), (280, -138), (280, -40)], "#ffe2a0", opacity=.28)
    o += poly([(-15, 0), (15, 0), (9, -82), (-9, -82)], body) + poly([(6, 0), (15, 0), (9, -82), (4, -82)], dark(body, .16))
    for i in (1, 3):
        a, b = i * 17, i * 17 + 15
        wa, wb = 15 - 6 * a / 82, 15 - 6 * b / 82
        o += poly([(-wa, -a), (wa, -a), (wb, -b), (-wb, -b)], stripe)
        o += poly([(wa * .4, -a), (wa, -a), (wb, -b), (wb * .4, -b)], dark(stripe, .2))
    o += rect(-12.5, -85, 25, 3.6, "#3a2a36", 1) + rect(-7, -97, 14, 12, "#ffd98a" if lit else "#6b7280")
    o += line([(-2.4, -97), (-2.4, -85)], "#3a2a36", 1) + line([(2.4, -97), (2.4, -85)], "#3a2a36", 1)
    o += path("M-9.5,-97Q0,-111 9.5,-97Z", dark(stripe, .25)) + circ(0, -105, 1.6, "#3a2a36")
    o += rect(-3.2, -9, 6.4, 9, "#4a3024", 2) + rect(-1.8, -42, 3.6, 6, "#4a3a4c", 1) + rect(-1.6, -66, 3.2, 5, "#4a3a4c", 1)
    return g(o, x=x, y=y, s=h / 108, shadow=True)


def lantern(x, y, s, glow=True):
    o = circ(0, 0, 90, "#ffd98a", opacity=.16) + circ(0, 0, 52, "#ffd98a", opacity=.22) if glow else ""
    o += curve("M-12,-22Q0,-46 12,-22", "#3a2a26", 3.5) + rect(-15, -24, 30, 8, "#3a2a26", 2) + rect(-13, -16, 26, 32, "#ffe7ad", 3)
    o += path("M0,-8q9,10 0,20q-9,-10 0,-20Z", "#e8823a") + rect(-16, 15, 32, 8, "#3a2a26", 2)
    return g(o, x=x, y=y, s=s)


def radio(x, y, s, body="#a34a2c"):
    o = line([(60, -120), (104, -214)], "#8d8273", 5) + circ(105, -216, 6, "#8d8273")
    o += rect(-110, -130, 220, 130, body, 14) + rect(-110, -22, 220, 22, dark(body, .2), 10)
    o += circ(-48, -66, 44, dark(body, .35)) + "".join(circ(-48, -66, r, "none", stroke=light(body, .35), stroke_width=3) for r in (36, 26, 16, 6))
    o += rect(14, -112, 82, 34, "#f3e0b4", 4) + line([(60, -110), (60, -80)], "#b2452f", 3)
    o += "".join(line([(22 + i * 11, -100), (22 + i * 11, -92 + (i % 2) * 4)], "#6a5540", 2) for i in range(7))
    o += circ(34, -48, 15, "#f3e0b4") + circ(76, -48, 15, "#f3e0b4") + line([(34, -48), (42, -58)], "#6a4530", 4) + line([(76, -48), (68, -58)], "#6a4530", 4)
    return g(o, x=x, y=y, s=s, shadow=True)


def bowl(x, y, s, c="#b2452f", steam=True, inside="#d99a4e"):
    o = path("M-40,-30Q-36,0 -16,0H16Q36,0 40,-30Z", c) + ell(0, -30, 40, 9, dark(c, .2)) + ell(0, -29, 34, 6.5, inside)
    if steam:
        o += curve("M-12,-48q-8,-14 0,-26t0,-24M12,-48q8,-14 0,-26t0,-24", "#fbf1dc", 4, opacity=.6)
    return g(o, x=x, y=y, s=s)


# ---- animals (all face right) ---------------------------------------------------------------------------------
def goat(x, y, s, flip=False, chew=None, coat="#f3e7d2", patch="#8a5434", calm=True):
    """Feet at y; about 230 long, 230 high at s = 1."""
    d, o = dark(coat, .14), ""
    for lx in (-62, 42):
        o += path(f"M{lx},-74l-2,70h16l4,-70Z", d) + rect(lx - 3, -9, 18, 9, "#3a2a26", 2)
    o += path("M-96,-128q-26,-12 -22,-34q14,2 32,18Z", patch)
    o += path("M-104,-110Q-100,-158 -40,-150Q30,-146 60,-158Q92,-130 78,-84Q60,-54 0,-60Q-60,-50 -90,-66Q-106,-80 -104,-110Z", coat)
    o += path("M-60,-151Q-10,-150 0,-140Q10,-104 -30,-100Q-70,-104 -60,-151Z", patch)
    for lx in (-84, 58):
        o += path(f"M{lx},-84l2,82h16l6,-84Z", coat) + rect(lx, -9, 19, 9, "#3a2a26", 2)
    o += path("M44,-148Q58,-196 84,-206L118,-176Q104,-130 84,-80Q74,-60 60,-70Z", coat)
    o += path("M84,-222Q70,-266 34,-262Q66,-254 70,-214Z", "#6a5540") + path("M98,-224Q92,-274 52,-284Q84,-264 84,-218Z", "#826a4e")
    o += path("M70,-208Q84,-232 108,-226Q136,-212 152,-182Q156,-164 138,-162Q104,-166 84,-176Q68,-188 70,-208Z", coat)
    o += path("M76,-206Q52,-208 40,-188Q62,-180 82,-194Z", patch)
    o += path("M120,-165Q122,-146 112,-128Q104,-148 104,-168Z", d)
    o += (circ(112, -202, 6, "#2a1d18") + circ(114, -204, 1.8, "#fff")) if calm else curve("M104,-202q8,-9 16,0", "#2a1d18", 4.5)
    o += circ(146, -178, 2.8, "#4a3024") + curve("M152,-172Q142,-168 132,-170", "#6a4530", 3)
    if chew:
        o += g(chew, x=150, y=-168)
    return g(o, x=x, y=y, s=s, flip=flip, shadow=True)


def tortoise(x, y, s, flip=False, shell="#7c6a4c"):
    o = ""
    sk = "#9a9068"
    for lx in (-62, 34):
        o += path(f"M{lx},-26q-4,18 -2,26h32q4,-14 -2,-30Z", dark(sk, .12))
    o += path("M66,-34Q88,-70 116,-66Q140,-60 136,-40Q122,-30 104,-34Q90,-18 66,-12Z", sk) + circ(120, -52, 5, "#2a1d18") + circ(122, -54, 1.6, "#fff")
    o += curve("M134,-42q-10,6 -20,2", dark(sk, .4), 3) + path("M-88,-18q-20,6 -26,14q18,0 34,-6Z", sk)
    o += path("M-92,-22Q-86,-92 -6,-96Q74,-92 84,-22Q0,-6 -92,-22Z", shell) + path("M-92,-22Q0,-6 84,-22Q82,-12 70,-10Q0,4 -78,-10Q-92,-14 -92,-22Z", dark(shell, .3))
    for a in ("M-34,-78L20,-80L38,-50L-4,-30L-48,-50Z", "M-62,-70L-44,-76L-58,-50L-78,-40Z", "M32,-78L54,-64L66,-38L48,-48Z", "M-52,-42L-12,-24L-70,-26Z", "M42,-42L64,-28L8,-24Z"):
        o += path(a, light(shell, .22), stroke=light(shell, .22), stroke_width=4, stroke_linejoin="round")
    return g(o, x=x, y=y, s=s, flip=flip, shadow=True)


def cat(x, y, s, flip=False, c="#c8703a", pose="sit", eyes=True):
    d, o = dark(c, .28), ""
    if pose == "sit":
        o += curve("M-30,-10Q-84,-6 -76,-60", c, 15)
        o += path("M-44,0Q-52,-60 -6,-104H26Q44,-60 40,0Z", c) + path("M6,0Q0,-40 10,-66Q26,-40 26,0Z", light(c, .4))
        o += ell(-22, -6, 24, 10, d) + ell(30, -5, 14, 8, light(c, .4))
        hx, hy = 12, -124
    else:
        o += path("M-96,0Q-112,-70 -30,-76Q60,-84 84,-30Q90,-4 70,0Z", c) + path("M-50,0Q-30,-40 30,-34Q60,-20 56,0Z", light(c, .4))
        o += curve("M-84,-12Q-60,6 0,-5Q40,-10 62,-6", d, 15)
        hx, hy = 66, -44
    o += path(f"M{hx - 38},{hy - 14}L{hx - 34},{hy - 52}L{hx - 10},{hy - 32}ZM{hx + 38},{hy - 14}L{hx + 34},{hy - 52}L{hx + 10},{hy - 32}Z", c)
    o += ell(hx, hy, 41, 34, c)
    for i in (-1, 0, 1):
        o += line([(hx + i * 9, hy - 32), (hx + i * 7, hy - 20)], d, 5)
    if pose == "sit" and eyes:
        o += ell(hx - 15, hy - 2, 6.5, 8.5, "#f3e0a0") + ell(hx + 15, hy - 2, 6.5, 8.5, "#f3e0a0") + ell(hx - 14, hy - 2, 2.8, 7, "#201510") + ell(hx + 16, hy - 2, 2.8, 7, "#201510")
    else:
        o += curve(f"M{hx - 23},{hy - 2}q8,8 16,0M{hx + 7},{hy - 2}q8,8 16,0", "#201510", 3.5)
    o += path(f"M{hx - 5},{hy + 9}h10l-5,6Z", "#7a3226") + curve(f"M{hx},{hy + 15}q-7,8 -13,3M{hx},{hy + 15}q7,8 13,3", "#201510", 2.5)
    o += line([(hx - 24, hy + 10), (hx - 52, hy + 4)], "#fbeedb", 2) + line([(hx - 24, hy + 15), (hx - 50, hy + 18)], "#fbeedb", 2)
    o += line([(hx + 24, hy + 10), (hx + 52, hy + 4)], "#fbeedb", 2) + line([(hx + 24, hy + 15), (hx + 50, hy + 18)], "#fbeedb", 2)
    return g(o, x=x, y=y, s=s, flip=flip, shadow=True)


def duck(x, y, s, flip=False, c="#f4ead6"):
    o = path("M-70,-40Q-92,-58 -84,-70Q-66,-62 -40,-58Q10,-60 26,-40Q40,0 0,2H-40Q-74,0 -70,-40Z", c)
    o += path("M-50,-44Q-16,-56 6,-34Q-10,-10 -40,-16Q-56,-26 -50,-44Z", dark(c, .14)) + path("M4,-44Q0,-92 28,-98Q58,-98 56,-70Q48,-50 34,-34Z", c)
    o += path("M54,-84Q82,-84 88,-74Q74,-66 54,-70Z", "#e2903a") + circ(42, -82, 4.5, "#2a1d18")
    return g(o, x=x, y=y, s=s, flip=flip, shadow=True)


def llama(x, y, s, flip=False, c="#e9d3ae"):
    d, o = dark(c, .16), ""
    for lx in (-58, 30):
        o += path(f"M{lx},-70v70h14l4,-70Z", d)
    for lx in (-78, 48):
        o += path(f"M{lx},-80l2,80h14l6,-80Z", c)
    o += blob([(-96, -120), (-70, -150), (0, -146), (50, -152), (80, -110), (60, -70), (-20, -64), (-84, -70)], c)
    o += path("M36,-130Q52,-200 50,-252L82,-252Q92,-180 82,-100Z", c) + path("M46,-246Q44,-276 66,-276Q92,-274 114,-258Q116,-244 98,-240Q66,-238 46,-246Z", c)
    o += path("M50,-270Q46,-300 56,-306Q66,-296 64,-272ZM66,-272Q66,-300 76,-304Q84,-292 78,-270Z", d) + circ(78, -260, 4.5, "#2a1d18") + curve("M114,-250q-8,4 -14,2", "#6a4530", 3)
    o += path("M-50,-150Q0,-140 36,-150L40,-100Q0,-90 -54,-100Z", "#b2452f") + line([(-52, -124), (38, -124)], "#e2b04a", 7)
    return g(o, x=x, y=y, s=s, flip=flip, shadow=True)


def bee(x, y, s, rot=0):
    return g(ell(-3, -10, 6, 11, "#fbf4e2", opacity=.85, transform="rotate(-25)"), ell(7, -10, 6, 11, "#fbf4e2", opacity=.85, transform="rotate(20)"),
             ell(0, 0, 14, 9, "#e2a832"), rect(-6, -8.5, 4, 17, "#33231a"), rect(2, -8.5, 4, 17, "#33231a"), circ(14, -1, 5.5, "#33231a"), x=x, y=y, s=s, rot=rot)


def bees(n, seed, x0, y0, x1, y1, s=1.0):
    r = random.Random(seed)
    return "".join(bee(r.uniform(x0, x1), r.uniform(y0, y1), s * r.uniform(.8, 1.2), r.uniform(-40, 40)) for _ in range(n))


def fish(x, y, s, c="#8fa3a8", rot=0):
    return g(path("M-70,0Q-30,-34 30,-20Q60,-10 70,0Q60,12 30,20Q-30,32 -70,0Z", c), path("M-58,0L-100,-26Q-90,0 -100,26Z", dark(c, .2)),
             curve("M34,-16Q24,0 34,16", dark(c, .3), 3), circ(50, -4, 5, "#fbf1dc"), circ(51, -4, 2.6, "#201510"),
             *[curve(f"M{i},-12q-7,12 0,24", light(c, .3), 2.5) for i in (-34, -14, 6)], x=x, y=y, s=s, rot=rot)


# ---- people ---------------------------------------------------------------------------------------------------
def person(x, y, h, skin="#9a6240", top="#b2452f", bottom="#3b3348", hair="#241812", style="short", kid=False, look=0.0, la=None, ra=None,
           legs="trousers", sit=0, mouth="smile", hat=None, hatc="#e2b04a", beard=None, shoes="#33231f", glasses=False, closed=False,
           front="", back="", bust=False, flip=False, lean=0, trim=None, sleeve=None, walk=0):
    """One paper figure. la / ra: where the hands are (local units, left and right as seen). sit: -1 or 1 sits sideways, 2 faces us
    (then the origin is the seat). bust draws no legs. front / back: pieces in local units before / behind the body."""
    r = 14.5 if kid else 11.5
    hip, sh, hy = (-36, -62, -80) if kid else (-45, -74, -89)
    sw = 12.5 if kid else 14
    dy = -hip if (sit or bust) else 0
    o = back if not dy else g(back, y=dy)
    sd = dark(bottom, .18)
    if not bust:
        if sit in (1, -1):
            k = sit * (22 if kid else 25)
            f = -hip - 6
            if legs == "trousers":
                o += line([(-3, -4), (k - 3 * sit, -4), (k - 3 * sit, f)], sd, 10) + line([(2, -2), (k + 3 * sit, -2), (k + 3 * sit, f)], bottom, 10)
            else:
                o += line([(k - 4 * sit, 6), (k - 4 * sit, f)], skin, 6) + line([(k + 2 * sit, 6), (k + 2 * sit, f)], skin, 6)
                o += path(f"M{-11 * sit},-8H{k + 6 * sit}Q{k + 9 * sit},{f * .3} {k + 7 * sit},{f * .72}H{k - 9 * sit}L{k - 10 * sit},6H{-11 * sit}Z", bottom)
            o += ell(k + sit * 2, f + 2, 7, 3.6, shoes) + ell(k + sit * 8, f + 2, 7, 3.6, shoes)
        elif sit == 2:
            f = -hip - 8
            if legs == "trousers":
                o += line([(-7, 0), (-8, 8), (-8, f)], sd, 11) + line([(7, 0), (8, 8), (8, f)], bottom, 11)
            else:
                o += line([(-6, 8), (-6, f)], skin, 6) + line([(6, 8), (6, f)], skin, 6) + path(f"M-13,-8H13L17,{f * .7}Q0,{f * .82} -17,{f * .7}Z", bottom)
            o += ell(-8, f + 2, 6.5, 4, shoes) + ell(8, f + 2, 6.5, 4, shoes)
        elif legs == "trousers":
            a, b = (-5.5 - walk, 5.5 + walk)
            o += line([(-4, hip - 2), (a, -5)], sd, 10) + line([(4, hip - 2), (b, -5)], bottom, 10)
            sx = 2.5 if walk >= 0 else -2.5
            o += ell(a - 1 + sx * bool(walk), -2.5, 7.4, 3.6, shoes) + ell(b + 1 + sx * bool(walk), -2.5, 7.4, 3.6, shoes)
        elif legs == "skirt":
            o += line([(-5 - walk, -18), (-5 - walk, -4)], skin, 6) + line([(5 + walk, -18), (5 + walk, -4)], skin, 6)
            o += ell(-6 - walk, -2.5, 6.6, 3.4, shoes) + ell(6 + walk, -2.5, 6.6, 3.4, shoes)
            o += path(f"M-9,{hip - 6}H9L{17 + walk * .5},-13Q0,-9 {-17 - walk * .5},-13Z", bottom)
            if trim:
                o += path(f"M{-16 - walk * .5},-17Q0,-13 {16 + walk * .5},-17L{17 + walk * .5},-13Q0,-9 {-17 - walk * .5},-13Z", trim)
        elif legs == "robe":
            o += ell(-6, -2.5, 6.6, 3.4, shoes) + ell(7, -2.5, 6.6, 3.4, shoes) + path(f"M-10,{hip - 6}H10L16,-4Q0,0 -16,-4Z", bottom)
            if trim:
                o += path("M-15.4,-9Q0,-5 15.4,-9L16,-4Q0,0 -16,-4Z", trim)
    u = ""
    hairback = {
        "scarf": path(f"M{-r * 1.2},{hy}A{r * 1.2},{r * 1.25} 0 0 1 {r * 1.2},{hy}Q{r * 1.3},{sh + 4} {sw + 3},{sh + 15}H{-sw - 3}Q{-r * 1.3},{sh + 4} {-r * 1.2},{hy}Z", hair),
        "bob": path(f"M{-r * 1.12},{hy}A{r * 1.12},{r * 1.12} 0 0 1 {r * 1.12},{hy}L{r * 1.08},{hy + r * .95}H{-r * 1.08}Z", hair),
        "bun": circ(0, hy - r * 1.15, r * .5, hair), "afro": circ(0, hy - r * .3, r * 1.32, hair),
        "pony": path(f"M{-r * .6},{hy - r * .6}Q{-r * 2.1},{hy - r * .5} {-r * 1.6},{hy + r * 1.1}Q{-r * 1.1},{hy + r * .6} {-r * .8},{hy}Z", hair),
    }.get(style, "")
    if style == "braids":
        for k in (-1, 1):
            hairback += "".join(ell(k * (r * .98 + i * .3), hy + r * .55 + i * 5.2, 3.6, 3.4, mix(hair, light(hair), .1 * (i % 2))) for i in range(5)) + circ(k * (r + 1.4), hy + r * .55 + 26, 2.6, "#b2452f")
    u += hairback
    u += rect(-4, hy + r * .7, 8, sh - hy - r * .7 + 6, dark(skin, .14))
    low = -4 if dy == 0 else 0
    u += path(f"M{-sw},{sh + 6}Q{-sw},{sh} {-sw + 6},{sh - .5}H{sw - 6}Q{sw},{sh} {sw},{sh + 6}L{sw * .86},{hip + 2 + low}Q0,{hip + 5 + low} {-sw * .86},{hip + 2 + low}Z", top)
    if trim and legs != "robe" and legs != "skirt":
        u += path(f"M-4.5,{sh - .6}L0,{sh + 7}L4.5,{sh - .6}Z", trim)
    # head
    u += circ(-r * .97 + look * r * .15, hy + 1, r * .2, dark(skin, .08)) + circ(r * .97 + look * r * .15, hy + 1, r * .2, dark(skin, .08)) if style != "scarf" else ""
    u += ell(0, hy, r * .98, r, skin) if style != "scarf" else ell(look * r * .12, hy + r * .08, r * .84, r * .92, skin)
    fx, ey, c = look * r * .34, hy - r * .02, "#241510"
    u += ell(fx - r * .5, hy + r * .38, r * .2, r * .14, "#d9583a", opacity=.28) + ell(fx + r * .5, hy + r * .38, r * .2, r * .14, "#d9583a", opacity=.28)
    for k in (-1, 1):
        if closed:
            u += curve(f"M{fx + k * r * .36 - 2},{ey}q2,2 4,0", c, 1.1)
        else:
            u += ell(fx + k * r * .36, ey, r * .095, r * .125, c)
        u += curve(f"M{fx + k * r * .36 - 2.1},{ey - r * .3}q2.1,-1.4 4.2,0", dark(hair, .1) if style != "scarf" else c, .9)
    u += curve(f"M{fx + look * .8},{hy + r * .08}q{1.4 if look >= 0 else -1.4},2.2 {-.4 if look >= 0 else .4},2.8", dark(skin, .3), .9)
    my = hy + r * .5
    u += {"smile": curve(f"M{fx - 3},{my}q3,2.8 6,0", "#5a2018", 1.2), "flat": curve(f"M{fx - 2.6},{my + .8}h5.2", "#5a2018", 1.2),
          "sad": curve(f"M{fx - 2.8},{my + 2}q2.8,-2.4 5.6,0", "#5a2018", 1.2), "o": ell(fx, my + 1, 2, 2.6, "#5a2018"),
          "laugh": path(f"M{fx - 4.2},{my - 1}h8.4q-.6,5.4 -4.2,5.4t-4.2,-5.4Z", "#5a2018") + path(f"M{fx - 3.6},{my - 1}h7.2v1.4h-7.2Z", "#fff4e4")}[mouth]
    if beard == "full":
        u += path(f"M{-r * .96},{hy + r * .1}Q{-r * .9},{hy + r * 1.35} 0,{hy + r * 1.5}Q{r * .9},{hy + r * 1.35} {r * .96},{hy + r * .1}Q{r * .6},{hy + r * .5} {fx + 4},{hy + r * .32}Q{fx},{hy + r * .22} {fx - 4},{hy + r * .32}Q{-r * .6},{hy + r * .5} {-r * .96},{hy + r * .1}Z", hair) + curve(f"M{fx - 2.4},{my + .4}q2.4,1.6 4.8,0", "#5a2018", 1.2)
    elif beard == "moustache":
        u += path(f"M{fx},{hy + r * .3}Q{fx - 5},{hy + r * .2} {fx - 8},{hy + r * .55}Q{fx - 3},{hy + r * .55} {fx},{hy + r * .42}Q{fx + 3},{hy + r * .55} {fx + 8},{hy + r * .55}Q{fx + 5},{hy + r * .2} {fx},{hy + r * .3}Z", hair)
    if glasses:
        u += circ(fx - r * .37, ey, r * .27, "none", stroke="#3a2a26", stroke_width=.9) + circ(fx + r * .37, ey, r * .27, "none", stroke="#3a2a26", stroke_width=.9) + line([(fx - 1, ey), (fx + 1, ey)], "#3a2a26", .9)
    cap = f"M{-r * 1.05},{hy + r * .05}A{r * 1.05},{r * 1.08} 0 0 1 {r * 1.05},{hy + r * .05}"
    if style in ("short", "braids", "bun", "pony", "bob"):
        part = r * .25 * (1 if look <= 0 else -1)
        u += path(cap + f"Q{r * .86},{hy - r * .42} {part},{hy - r * .52}Q{-r * .8},{hy - r * .48} {-r * 1.05},{hy + r * .05}Z", hair)
    elif style == "afro":
        u += path(cap + f"Q{r * .7},{hy - r * .55} 0,{hy - r * .5}Q{-r * .7},{hy - r * .55} {-r * 1.05},{hy + r * .05}Z", hair)
    elif style == "thin":
        u += path(f"M{-r * 1.04},{hy + r * .15}Q{-r * 1.1},{hy - r * .5} {-r * .7},{hy - r * .7}Q{-r * .9},{hy - r * .2} {-r * .84},{hy + r * .1}ZM{r * 1.04},{hy + r * .15}Q{r * 1.1},{hy - r * .5} {r * .7},{hy - r * .7}Q{r * .9},{hy - r * .2} {r * .84},{hy + r * .1}Z", hair)
    elif style == "scarf":
        u += path(f"M{-r * 1.2},{hy}A{r * 1.2},{r * 1.25} 0 0 1 {r * 1.2},{hy}Q{r * 1.05},{hy - r * .62} {look * r * .1},{hy - r * .66}Q{-r * 1.05},{hy - r * .62} {-r * 1.2},{hy}Z", hair)
        u += path(f"M{-r * .9},{hy + r * .55}Q0,{hy + r * 1.5} {r * .9},{hy + r * .55}Q{r * 1.2},{sh + 2} {sw - 1},{sh + 9}Q0,{sh + 17} {-sw + 1},{sh + 9}Q{-r * 1.2},{sh + 2} {-r * .9},{hy + r * .55}Z", light(hair, .08))
    elif style == "wrap":
        u += path(f"M{-r * 1.08},{hy - r * .1}Q{-r * 1.3},{hy - r * 1.5} 0,{hy - r * 1.55}Q{r * 1.3},{hy - r * 1.5} {r * 1.08},{hy - r * .1}Q0,{hy - r * .75} {-r * 1.08},{hy - r * .1}Z", hatc)
        u += curve(f"M{-r * .95},{hy - r * .5}Q0,{hy - r * 1.15} {r * .95},{hy - r * .55}M{-r * .8},{hy - r * .95}Q0,{hy - r * 1.4} {r * .85},{hy - r * .9}", dark(hatc, .2), 1.2) + ell(r * .7, hy - r * 1.35, 5, 3.4, dark(hatc, .12), transform=f"rotate(-35 {r * .7} {hy - r * 1.35})")
    if hat == "cap":
        u += path(f"M{-r * 1.08},{hy - r * .3}Q{-r * 1.1},{hy - r * 1.35} 0,{hy - r * 1.35}T{r * 1.08},{hy - r * .3}Z", hatc) + path(f"M{-r * 1.1},{hy - r * .5}H{r * 1.1}V{hy - r * .26}H{-r * 1.1}Z", dark(hatc, .3)) + path(f"M{-r * .9 + look * r * .4},{hy - r * .3}Q{look * r * .6},{hy + r * .06} {r * .9 + look * r * .4},{hy - r * .3}Z", dark(hatc, .45)) + circ(fx, hy - r * .8, 2.2, "#e2b04a")
    elif hat == "straw":
        u += ell(0, hy - r * .5, r * 1.9, r * .34, hatc) + path(f"M{-r * .95},{hy - r * .55}Q{-r * .9},{hy - r * 1.4} 0,{hy - r * 1.4}T{r * .95},{hy - r * .55}Q0,{hy - r * .3} {-r * .95},{hy - r * .55}Z", light(hatc, .12)) + path(f"M{-r * .97},{hy - r * .72}Q0,{hy - r * .46} {r * .97},{hy - r * .72}L{r * .96},{hy - r * .52}Q0,{hy - r * .26} {-r * .96},{hy - r * .52}Z", "#6a3a2a")
    elif hat == "chullo":
        u += path(f"M{-r * 1.12},{hy + r * .9}Q{-r * 1.35},{hy - r * 1.1} 0,{hy - r * 1.75}Q{r * 1.35},{hy - r * 1.1} {r * 1.12},{hy + r * .9}Q{r * .8},{hy + r * .7} {r * .82},{hy - r * .1}Q0,{hy - r * .7} {-r * .82},{hy - r * .1}Q{-r * .8},{hy + r * .7} {-r * 1.12},{hy + r * .9}Z", hatc) + curve(f"M{-r * .95},{hy - r * .5}l3,-3 3,3 3,-3 3,3 3,-3 3,3 3,-3", light(hatc, .6), 1.4) + circ(0, hy - r * 1.8, 2.6, "#e2b04a")
    elif hat == "kufi":
        u += path(f"M{-r * 1.0},{hy - r * .4}L{-r * .86},{hy - r * 1.2}Q0,{hy - r * 1.4} {r * .86},{hy - r * 1.2}L{r * 1.0},{hy - r * .4}Q0,{hy - r * .72} {-r * 1.0},{hy - r * .4}Z", hatc) + curve(f"M{-r * .9},{hy - r * .7}Q0,{hy - r * 1.0} {r * .9},{hy - r * .7}", dark(hatc, .3), 1.1)
    u += front
    sl = sleeve or dark(top, .13)
    for k, t in ((-1, la), (1, ra)):
        t = t or (k * (sw + 3.5), hip + 3)
        s0 = (k * (sw - 3.2), sh + 5)
        ex, eyy = (s0[0] + t[0]) / 2 + k * 4.5, (s0[1] + t[1]) / 2 + (4 if t[1] > sh + 8 else 5)
        u += circ(t[0], t[1], 4.1, skin) + curve(f"M{s0[0]},{s0[1]}Q{ex},{eyy} {t[0]},{t[1]}", sl, 7.4, stroke_dasharray=None)
        u += circ(t[0] + (t[0] - ex) * .18, t[1] + (t[1] - eyy) * .18, 4.1, skin)
    o += g(u, y=dy, rot=lean)
    return g(o, x=x, y=y, s=h / 100, flip=flip, shadow=True)


# ---- rendering ------------------------------------------------------------------------------------------------
DEFS = ('<defs><filter id="lift" x="-15%" y="-15%" width="130%" height="135%"><feGaussianBlur in="SourceAlpha" stdDeviation="5" result="b"/>'
        '<feOffset in="b" dx="0" dy="5" result="o"/><feFlood flood-color="#1d0f1c" flood-opacity=".34"/><feComposite in2="o" operator="in" result="s"/>'
        '<feMerge><feMergeNode in="s"/><feMergeNode in="SourceGraphic"/></feMerge></filter></defs>')


def save(story, page, *items, quality=76, also=()):
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{W}" height="{H}" viewBox="0 0 {W} {H}">{DEFS}{"".join(items)}</svg>'
    png = subprocess.run(["rsvg-convert", "-f", "png"], input=svg.encode(), stdout=subprocess.PIPE, check=True).stdout
    im = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=np.float32)
    rng = np.random.default_rng(page * 7 + len(story))
    n = Image.fromarray((rng.normal(128, 46, (H // 2, W // 2)).clip(0, 255)).astype("uint8")).resize((W, H), Image.BICUBIC).filter(ImageFilter.GaussianBlur(1.1))
    grain = (np.asarray(n, dtype=np.float32) - 128) / 128 * 11
    yy, xx = np.mgrid[0:H, 0:W]
    vig = 1 - .13 * np.clip(((xx / W - .5) ** 2 + (yy / H - .5) ** 2) * 2, 0, 1)[..., None]
    out = Image.fromarray((im * vig + grain[..., None]).clip(0, 255).astype("uint8"))
    for sid in (story, *also):
        os.makedirs(os.path.join(STORIES, sid), exist_ok=True)
        out.save(os.path.join(STORIES, sid, f"{page:02d}.webp"), quality=quality, method=6)
