"""The film of a growing meander: a river simulated from above until one neck breaks.

The bank moves with the curvature of the channel here and, fading with distance, upstream (Howard and Knutson, 1984). Each year's bed is
painted on the plain and grown over slowly, which draws the scroll bars by itself.
"""

import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from book import COURSES, INK, PAPER, RIVER
from sound import RATE, mp3, narrate, vtt

W, H, S, FPS = 640, 360, 2, 20
WIDTH = 15.0
SCRIPT = [
    "A river on a flat plain, seen from above.",
    "Water runs fastest round the outside of each bend, and wears that bank away.",
    "On the inside it slows, and drops its sand: a beach grows there.",
    "So, year by year, the bends swell.",
    "Now two bends almost touch.",
    "A flood breaks through the narrow neck.",
    "The old bend is left behind: an oxbow lake.",
]


def resample(p, ds):
    step = np.hypot(*np.diff(p, axis=0).T)
    along = np.concatenate([[0], np.cumsum(step)])
    n = max(int(along[-1] / ds), 8)
    t = np.linspace(0, along[-1], n)
    return np.stack([np.interp(t, along, p[:, 0]), np.interp(t, along, p[:, 1])], 1)


def move(p, rate):
    d1 = np.gradient(p, axis=0)
    d2 = np.gradient(d1, axis=0)
    ds = np.hypot(*d1.T)
    c = (d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]) / ds**3
    c = np.convolve(np.pad(c, 2, "edge"), [0.1, 0.2, 0.4, 0.2, 0.1], "valid") * WIDTH
    reach = np.exp(-np.arange(40) * ds.mean() / (1.6 * WIDTH))
    reach /= reach.sum()
    upstream = np.convolve(np.concatenate([np.zeros(39), c]), reach, "valid")
    shift = rate * (-1.0 * c + 2.5 * upstream)
    edge = np.minimum(1, np.minimum(np.arange(len(p)), np.arange(len(p))[::-1]) / 25)
    normal = np.stack([d1[:, 1], -d1[:, 0]], 1) / ds[:, None]
    return p + normal * (shift * edge)[:, None]


def cut(p, near):
    """The first neck narrower than `near`: the course without its loop, and the loop."""
    far = int(5 * WIDTH / 5)
    for i in range(len(p) - far):
        gap = np.hypot(*(p[i + far :] - p[i]).T)
        j = int(gap.argmin())
        if gap[j] < near:
            j += i + far
            return np.concatenate([p[: i + 1], p[j:]]), p[i : j + 1], p[i]
    return p, None, None


def simulate(seed, steps):
    rng = np.random.default_rng(seed)
    x = np.arange(-600, W + 601, 5.0)
    y = H / 2 + sum(a * np.sin(2 * np.pi * x / length + rng.uniform(0, 6.3)) for a, length in ((5, 170), (6, 215), (9, 290), (12, 430)))
    p, states = np.stack([x, y], 1), []
    for k in range(steps):
        p = resample(move(p, 1.0), 5.0)
        p, loop, where = cut(p, WIDTH * 1.25)
        states.append((p, loop, where))
    return states


ZOOM = 0.84
CAMERA = [W / 2, H / 2]


def line(pen, p, width, fill):
    pts = [(((x - CAMERA[0]) * ZOOM + W / 2) * S, ((y - CAMERA[1]) * ZOOM + H / 2) * S) for x, y in p]
    pen.line(pts, fill=fill, width=round(width * ZOOM * S), joint="curve")


def main(seed=6, steps=480, only=None):
    states = simulate(seed, steps)
    cuts = [(k, w, len(l)) for k, (_, l, w) in enumerate(states) if l is not None]
    inside = [c for c in cuts if -150 < c[1][0] < W + 150 and c[2] < 135]
    if only == "cuts":
        return cuts, inside
    sound, cues = narrate(SCRIPT, gap=0.32, speed=172)
    event, where, _ = inside[0]
    CAMERA[:] = [where[0], H / 2 + 14]
    at = cues[5][0] + 0.8
    total = len(sound) / RATE + 1.2
    frames = int(total * FPS)
    rng = np.random.default_rng(3)
    speck = rng.normal(0, 1, (H * S // 8, W * S // 8)).astype("float32")
    speck = np.asarray(Image.fromarray(speck).resize((W * S, H * S), Image.BICUBIC))[..., None]
    moss = np.array([206, 217, 190.0]) + speck * 2.2
    land, lakes, done = moss.copy(), [], 0
    media = COURSES / "how-rivers-work/media"
    with tempfile.TemporaryDirectory() as tmp:
        for f in range(frames):
            t = f / FPS
            # slow near the cut, so that the eye can follow; a little after it, no faster than before
            target = event * min(1, t / at) ** 0.92 if t < at else event + (t - at) * event / at * 0.28
            target = min(int(target), len(states) - 1)
            while done <= target:
                p, loop, _ = states[done]
                if loop is not None:
                    lakes.append([loop, 0])
                if done % 3 == 0:
                    land += (moss - land) * 0.0065
                    layer = Image.new("L", (W * S, H * S), 0)
                    line(ImageDraw.Draw(layer), p, WIDTH * 1.02, 255)
                    sand = np.array([236, 222, 184.0]) if (done // 24) % 2 else np.array([224, 206, 163.0])
                    m = np.asarray(layer, float)[..., None] / 255
                    land = land * (1 - m) + sand * m
                done += 1
            picture = Image.fromarray(np.clip(land, 0, 255).astype("uint8"))
            pen = ImageDraw.Draw(picture)
            for lake in lakes:
                lake[1] += 1
                k = min(1, lake[1] / 120)
                tone = tuple(int(a + (b - a) * k) for a, b in zip((40, 80, 90), (116, 150, 150)))
                ends = int(4 * k) + 2
                line(pen, lake[0][ends : len(lake[0]) - ends], WIDTH * (1 - 0.2 * k), tone)
            p = states[target][0]
            line(pen, p, WIDTH + 2.4, "#1d3d45")
            line(pen, p, WIDTH, RIVER)
            d = np.gradient(p, axis=0)
            normal = np.stack([d[:, 1], -d[:, 0]], 1) / np.hypot(*d.T)[:, None]
            along = np.arange(len(p)) * 5.0
            for k in range(160):
                s0 = (k * 131.7 + t * 62) % along[-1]
                i = min(int(s0 / 5), len(p) - 5)
                off = ((k * 0.618) % 1 - 0.5) * WIDTH * 0.6
                q = p[i : i + 4] + normal[i : i + 4] * off
                line(pen, q, 0.9, "#7fa3a8")
            small = picture.resize((W, H), Image.LANCZOS)
            small.save(f"{tmp}/{f:04}.png")
            if only is not None and f in only:
                small.save(f"/tmp/v/frame{f:04}.png")
            if f == int((cues[4][0] + 0.5) * FPS):
                small.save(media / "meander.jpg", quality=84, optimize=True)
        with wave.open(f"{tmp}/n.wav", "wb") as w:
            w.setnchannels(1), w.setsampwidth(2), w.setframerate(RATE)
            w.writeframes((sound / np.abs(sound).max() * 0.82 * 32767).astype("<i2").tobytes())
        subprocess.run(
            ["ffmpeg", "-loglevel", "error", "-y", "-framerate", str(FPS), "-i", f"{tmp}/%04d.png", "-i", f"{tmp}/n.wav", "-map_metadata", "-1",
             "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-c:v", "libx264", "-threads", "1", "-profile:v", "baseline",
             "-level", "3.0", "-pix_fmt", "yuv420p", "-preset", "slow", "-crf", "26", "-maxrate", "420k", "-bufsize", "840k", "-g", "60",
             "-c:a", "aac", "-b:a", "48k", "-ac", "1", "-af", "apad", "-t", f"{frames / FPS}", "-movflags", "+faststart", media / "meander.mp4"], check=True)
    vtt(media / "meander.vtt", cues)
    (media / "meander.md").write_text(
        "*The film shows a plain from above, with a river winding across it from left to right.*\n\n" + " ".join(SCRIPT)
        + "\n\n*One bend after the other grows wider. Pale bands of sand stay behind where the river has been. At last a neck between two bends "
        "is cut through, and the loop below it lies cut off, turning paler.*\n", encoding="utf-8")


if __name__ == "__main__":
    main()
