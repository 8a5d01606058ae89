"""Renders every icon the installers need from the three drawings in this folder.

Needs rsvg-convert (Debian: librsvg2-bin). Run it after changing a drawing and commit what it writes:
    python3 assets/icons/make.py
The .ico and .icns containers are written here, PNG inside both, so that nothing else is needed.
"""

import pathlib
import struct
import subprocess

HERE = pathlib.Path(__file__).parent


def png(size: int) -> bytes:
    """The drawing that suits `size` pixels, as a PNG with alpha."""
    name = "carrel-tiny" if size <= 20 else "carrel-small" if size <= 48 else "carrel"
    command = ["rsvg-convert", "-w", str(size), "-h", str(size), str(HERE / f"{name}.svg")]
    return subprocess.run(command, check=True, capture_output=True).stdout


def ico(sizes: list[int]) -> bytes:
    """Windows icon: a directory of 16-byte entries, then the pictures."""
    pictures = [png(size) for size in sizes]
    offset = 6 + 16 * len(sizes)
    out = struct.pack("<HHH", 0, 1, len(sizes))
    for size, picture in zip(sizes, pictures):
        side = 0 if size == 256 else size
        out += struct.pack("<BBBBHHII", side, side, 0, 0, 1, 32, len(picture), offset)
        offset += len(picture)
    return out + b"".join(pictures)


def icns() -> bytes:
    """macOS icon: four-letter type, length with its own 8 bytes, PNG."""
    types = {"ic11": 32, "ic12": 64, "ic07": 128, "ic13": 256, "ic08": 256, "ic14": 512, "ic09": 512, "ic10": 1024}
    body = b""
    for kind, size in types.items():
        picture = png(size)
        body += kind.encode() + struct.pack(">I", len(picture) + 8) + picture
    return b"icns" + struct.pack(">I", len(body) + 8) + body


def main() -> None:
    for name, size in {**{f"{n}x{n}": n for n in (16, 24, 32, 48, 64, 128, 256)}, "icon": 512}.items():
        (HERE / f"{name}.png").write_bytes(png(size))
    (HERE / "icon.ico").write_bytes(ico([16, 20, 24, 32, 40, 48, 64, 256]))
    (HERE / "icon.icns").write_bytes(icns())


main()
