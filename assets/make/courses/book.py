"""The look of the diagrams: one paper, one ink, five colours, and a few shapes that every drawing uses."""

from pathlib import Path
from xml.sax.saxutils import escape

PAPER, INK = "#fbf8f1", "#211c15"
RIBBON, LEAF, BRASS, RIVER = "#9c2f26", "#2f6b4f", "#8a6417", "#28505a"
FAINT, RULE = "#6b6252", "#d9d0bd"
SAND, WATER, MOSS, ROSE = "#efe4c8", "#cfdedd", "#d5e2d3", "#efd6cf"
COURSES = Path(__file__).resolve().parents[2] / "courses"


class Drawing:
    """An SVG built from strings; every method adds one shape and returns nothing."""

    def __init__(self, width, height, title):
        self.size, self.title, self.parts, self.markers = (width, height), title, [], set()

    def add(self, text):
        self.parts.append(text)

    def rect(self, x, y, w, h, fill="none", stroke="none", width=1.5, r=0):
        self.add(f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="{r}" fill="{fill}" stroke="{stroke}" stroke-width="{width}"/>')

    def line(self, x1, y1, x2, y2, stroke=INK, width=1.5, dash="", arrow="", cap="butt"):
        self.path(f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}", stroke, width, "none", dash, arrow, cap)

    def path(self, d, stroke=INK, width=1.5, fill="none", dash="", arrow="", cap="round"):
        extra = f' stroke-dasharray="{dash}"' if dash else ""
        if "e" in arrow:
            self.markers.add(stroke)
            extra += f' marker-end="url(#a{stroke[1:]})"'
        if "s" in arrow:
            self.markers.add(stroke)
            extra += f' marker-start="url(#a{stroke[1:]})"'
        self.add(f'<path d="{d}" fill="{fill}" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round" stroke-linecap="{cap}"{extra}/>')

    def curve(self, points, **style):
        self.path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), **style)

    def circle(self, x, y, r, fill="none", stroke="none", width=1.5):
        self.add(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{fill}" stroke="{stroke}" stroke-width="{width}"/>')

    def text(self, x, y, words, size=17, fill=INK, anchor="middle", face="sans-serif", style="", weight=""):
        extra = (f' font-style="{style}"' if style else "") + (f' font-weight="{weight}"' if weight else "")
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" font-family="{face}" font-size="{size}" fill="{fill}" text-anchor="{anchor}"{extra}>{escape(words)}</text>')

    def serif(self, x, y, words, size=19, **style):
        self.text(x, y, words, size, face="serif", **style)

    def fraction(self, x, y, top, bottom, size=22, fill=INK):
        """A stacked fraction whose bar lies at y."""
        half = size * 0.36 * max(len(str(top)), len(str(bottom))) + 3
        self.serif(x, y - size * 0.3, str(top), size, fill=fill)
        self.line(x - half, y, x + half, y, fill, 1.6)
        self.serif(x, y + size * 0.98, str(bottom), size, fill=fill)

    def save(self, path):
        w, h = self.size
        heads = "".join(
            f'<marker id="a{c[1:]}" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" '
            f'orient="auto-start-reverse"><path d="M0 1L9 5L0 9Z" fill="{c}"/></marker>'
            for c in sorted(self.markers)
        )
        defs = f"<defs>{heads}</defs>" if heads else ""
        out = COURSES / path
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img">'
            f'<title>{escape(self.title)}</title>{defs}'
            f'<rect width="{w}" height="{h}" rx="8" fill="{PAPER}"/>' + "\n".join(self.parts) + "</svg>\n",
            encoding="utf-8",
        )
