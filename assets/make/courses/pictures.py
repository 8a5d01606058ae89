"""The painted pictures: a landscape carved by computed rain, two ripples that meet, a tart cut in eighths."""

import heapq
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from book import BRASS, COURSES, INK, LEAF, PAPER, RIBBON, RIVER, SAND

RNG = np.random.default_rng(1859)


def rgb(hexa):
    return np.array([int(hexa[i : i + 2], 16) for i in (1, 3, 5)], float)


def ramp(values, stops):
    """Colours for values by linear interpolation between (position, colour) stops."""
    at = [s[0] for s in stops]
    cols = np.array([rgb(s[1]) for s in stops])
    return np.stack([np.interp(values, at, cols[:, k]) for k in range(3)], axis=-1)


def noise(h, w, octaves=6, first=4):
    out = np.zeros((h, w))
    for o in range(octaves):
        n = first * 2**o
        grid = Image.fromarray(RNG.standard_normal((max(2, n * h // w) + 1, n + 1)).astype("float32"))
        out += np.asarray(grid.resize((w, h), Image.BICUBIC)) / 1.9**o
    return out


def drain(z):
    """Fill pits from the sea upwards, then let each cell drain to its steepest neighbour.

    The steepness is shaken a little, so that no plain drains in ruler-straight diagonals.
    """
    h, w = z.shape
    flat = z.ravel().copy()
    seen = np.zeros(h * w, bool)
    heap = [(flat[i], i) for i in range((h - 1) * w, h * w)]
    for _, i in heap:
        seen[i] = True
    heapq.heapify(heap)
    around = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    while heap:
        top, i = heapq.heappop(heap)
        y, x = divmod(i, w)
        for dy, dx in around:
            b, a = y + dy, x + dx
            if 0 <= b < h and 0 <= a < w:
                j = b * w + a
                if not seen[j]:
                    seen[j] = True
                    flat[j] = max(flat[j], top + 1e-4)
                    heapq.heappush(heap, (flat[j], j))
    grid = np.pad(flat.reshape(h, w), 1, constant_values=np.inf)
    index = np.pad(np.arange(h * w).reshape(h, w), 1, constant_values=-1)
    best = np.zeros((h, w))
    to = np.full((h, w), -1)
    for dy, dx in around:
        there = grid[1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w]
        fall = (grid[1:-1, 1:-1] - there) / np.hypot(dy, dx) * RNG.uniform(0.6, 1.4, (h, w))
        take = fall > best
        best[take] = fall[take]
        to[take] = index[1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w][take]
    to[-1, :] = -1
    return np.argsort(flat, kind="stable"), to.ravel(), flat


def carve(h, w, rounds):
    """Uplift and stream-power erosion, solved from the sea upwards (implicit, so that any step is stable)."""
    y = np.linspace(1, 0, h)[:, None]
    z = 0.35 * noise(h, w) + 3.0 * y + 0.0
    z -= z.min()
    for _ in range(rounds):
        order, receiver, flat = drain(z)
        area = np.ones(h * w)
        for i in order[::-1]:
            if receiver[i] >= 0:
                area[receiver[i]] += area[i]
        flat += 0.05 * (np.linspace(1.6, 0.2, h)[:, None] * np.ones((1, w))).ravel()
        for i in order:
            r = receiver[i]
            if r >= 0:
                k = 0.022 * area[i] ** 0.5
                flat[i] = (flat[i] + k * flat[r]) / (1 + k)
            else:
                flat[i] = 0
        z = flat.reshape(h, w)
        z = 0.92 * z + 0.02 * (np.roll(z, 1, 0) + np.roll(z, -1, 0) + np.roll(z, 1, 1) + np.roll(z, -1, 1))
    return z


def valley():
    h, w, scale = 170, 272, 4
    z = carve(h, w, 26)
    order, receiver, _ = drain(z)
    area = np.ones(h * w)
    for i in order[::-1]:
        if receiver[i] >= 0:
            area[receiver[i]] += area[i]
    big = np.asarray(Image.fromarray(z.astype("float32")).resize((w * scale, h * scale), Image.BICUBIC))
    gy, gx = np.gradient(big * 34)
    light = (0.55 * -gx + 0.55 * -gy * -1 * -1 + 0.75) / np.sqrt(1 + gx**2 + gy**2)
    level = (big - big.min()) / (np.percentile(big, 99.5) - big.min())
    col = ramp(level, [(0, "#c3cfae"), (0.18, "#b5c39b"), (0.4, "#d8cda0"), (0.65, "#cdb184"), (0.85, "#c7a98a"), (1, "#efe9df")])
    col = np.clip(col * (0.45 + 0.62 * np.clip(light, 0, 1.4))[..., None], 0, 255)
    land = Image.fromarray(col.astype("uint8"))
    lines = Image.new("L", (w * scale, h * scale), 0)
    pen = ImageDraw.Draw(lines)
    mid = lambda i: ((i % w + 0.5) * scale, (i // w + 0.5) * scale)
    for i in range(h * w):
        r = receiver[i]
        if r >= 0 and area[i] > 150:
            rr = receiver[r] if receiver[r] >= 0 else r
            (x0, y0), (x1, y1), (x2, y2) = mid(i), mid(r), mid(rr)
            a, b = ((x0 + x1) / 2, (y0 + y1) / 2), ((x1 + x2) / 2, (y1 + y2) / 2)
            wide = max(2, round(0.085 * area[i] ** 0.5 * scale / 4 * 1.5))
            steps = [((1 - t) ** 2 * a[0] + 2 * t * (1 - t) * x1 + t * t * b[0], (1 - t) ** 2 * a[1] + 2 * t * (1 - t) * y1 + t * t * b[1]) for t in (0, 0.25, 0.5, 0.75, 1)]
            pen.line(steps, fill=255, width=wide, joint="curve")
    lines = lines.filter(ImageFilter.GaussianBlur(0.9))
    land.paste(Image.new("RGB", land.size, RIVER), (0, 0), lines)
    land = land.crop((16, 16, w * scale - 16, h * scale - 12))
    land.save(COURSES / "how-rivers-work/media/valley.jpg", quality=76, optimize=True)


def ripples():
    h, w = 560, 900
    y, x = np.mgrid[0:h, 0:w].astype(float)
    k = 2 * pi / 34
    total = np.zeros((h, w))
    for cx in (w / 2 - 102, w / 2 + 102):
        r = np.hypot(x - cx, y - h + 70)
        total += np.cos(k * r) / (1 + r / 420)
    col = ramp(total, [(-1.7, "#16343c"), (-0.7, "#4f7d86"), (0, "#cfdedd"), (0.7, "#f6efdc"), (1.7, "#fffdf6")])
    picture = Image.fromarray(np.clip(col, 0, 255).astype("uint8"))
    pen = ImageDraw.Draw(picture)
    for cx in (w / 2 - 102, w / 2 + 102):
        pen.ellipse((cx - 9, h - 79, cx + 9, h - 61), fill=RIBBON, outline=PAPER, width=3)
    picture.save(COURSES / "waves-and-sound/media/ripples.webp", quality=80, method=6)


def tart():
    s, w, h = 3, 820, 430
    table = Image.new("RGB", (w * s, h * s), "#7b5a3c")
    grain = noise(h, w // 8, 5, 3)
    grain = np.asarray(Image.fromarray(grain.astype("float32")).resize((w * s, h * s), Image.BICUBIC))
    base = np.asarray(table).astype(float) * (1 + 0.055 * np.sin(grain * 7) + 0.02 * grain)[..., None]
    board = np.linspace(0, 5, h * s)[:, None] % 1
    base *= np.where((board < 0.012), 0.62, 1)[..., None]
    table = Image.fromarray(np.clip(base, 0, 255).astype("uint8"))
    speck = noise(h, w, 5, 40)
    speck = np.asarray(Image.fromarray(speck.astype("float32")).resize((w * s, h * s), Image.BICUBIC))

    def disc(cx, cy, r, fill, blur=0, dy=0):
        layer = Image.new("L", table.size, 0)
        ImageDraw.Draw(layer).ellipse(((cx - r) * s, (cy - r + dy) * s, (cx + r) * s, (cy + r + dy) * s), fill=150 if blur else 255)
        if blur:
            layer = layer.filter(ImageFilter.GaussianBlur(blur * s))
        table.paste(Image.new("RGB", table.size, fill), (0, 0), layer)

    def plate(cx, cy, r):
        disc(cx, cy, r, "#1c120a", 9, 10)
        disc(cx, cy, r, "#e9e2d2")
        disc(cx, cy, r - 3, "#f7f2e6")
        disc(cx, cy, r * 0.78, "#e4dccb")
        disc(cx, cy, r * 0.765, "#f4eee0")

    def slice_at(cx, cy, r, a0, a1, push=0.0):
        mid = (a0 + a1) / 2
        ox, oy = cx + push * cos(mid), cy + push * sin(mid)
        gap = 0.012
        def wedge(radius, dy=0, inset=0.0):
            layer = Image.new("L", table.size, 0)
            tip = inset / sin((a1 - a0) / 2)
            ix, iy = ox + tip * cos(mid), oy + tip * sin(mid)
            arc = [(ix, iy)] + [(ox + radius * cos(a), oy + radius * sin(a)) for a in np.linspace(a0 + gap + inset / radius, a1 - gap - inset / radius, 40)]
            ImageDraw.Draw(layer).polygon([(x * s, (y + dy) * s) for x, y in arc], fill=255)
            return layer
        shadow = wedge(r, 7).filter(ImageFilter.GaussianBlur(4 * s)).point(lambda v: v * 0.5)
        table.paste(Image.new("RGB", table.size, "#2a1a0e"), (0, 0), shadow)
        table.paste(Image.new("RGB", table.size, "#a8763c"), (0, 0), wedge(r, 4))
        def paint(hexa, mask, rough):
            col = np.clip(rgb(hexa) * (1 + rough * speck)[..., None], 0, 255).astype("uint8")
            table.paste(Image.fromarray(col), (0, 0), mask)
        paint("#d9a860", wedge(r), 0.05)
        paint("#c48d48", wedge(r * 0.93, 0, 0), 0.05)
        paint(RIBBON, wedge(r * 0.9, 0, 1.2), 0.09)

    plate(215, 210, 188)
    step = 2 * pi / 8
    start = -pi / 2
    for n in range(8):
        if n not in (0, 1, 2):
            slice_at(215, 210, 138, start + n * step, start + (n + 1) * step)
    plate(614, 210, 162)
    for n in range(3):
        slice_at(556, 210, 138, -step * 1.5 + n * step, -step * 1.5 + (n + 1) * step)
    table.resize((w, h), Image.LANCZOS).save(COURSES / "first-steps-in-fractions/media/tart.jpg", quality=82, optimize=True)


if __name__ == "__main__":
    import sys

    for name in sys.argv[1:] or ("valley", "ripples", "tart"):
        globals()[name]()
