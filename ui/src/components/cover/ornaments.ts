//! The ornaments of covers: strokes on a 100 x 100 grid.
import type { Ornament } from "../../api/types";

const rays = (count: number, from: number, to: number): string =>
  Array.from({ length: count }, (_, i) => {
    const angle = (i * 2 * Math.PI) / count - Math.PI / 2;
    const at = (r: number): string =>
      `${(50 + r * Math.cos(angle)).toFixed(1)} ${(50 + r * Math.sin(angle)).toFixed(1)}`;
    return `M${at(from)}L${at(to)}`;
  }).join("");
const circle = (r: number, x = 50, y = 50): string =>
  `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
const wave = (y: number): string => `M0 ${y}c12-11 22-11 33 0s22 11 34 0 22-11 33 0`;
const square = (r: number): string => `M${50 - r} ${50 - r}h${2 * r}v${2 * r}h${-2 * r}z`;
const petal = (turn: number): string => {
  const angle = (turn * Math.PI) / 180;
  const to = (x: number, y: number): string =>
    `${(50 + x * Math.cos(angle) - y * Math.sin(angle)).toFixed(1)} ${(50 + x * Math.sin(angle) + y * Math.cos(angle)).toFixed(1)}`;
  return `M50 50C${to(16, -12)} ${to(16, -34)} ${to(0, -44)}C${to(-16, -34)} ${to(-16, -12)} 50 50z`;
};

export const ornaments: Record<Ornament, string> = {
  star: rays(16, 14, 44) + circle(9) + circle(30),
  peaks: "M4 86L38 24l22 40M34 86L66 34l30 52M28 42l10 6 8-8M58 47l8 5 7-6M4 86h92",
  rings: circle(44) + circle(35) + circle(26) + circle(17) + circle(8),
  waves: [26, 38, 50, 62, 74].map(wave).join(""),
  squares: square(42) + square(32) + square(22) + square(12),
  petals: [0, 60, 120, 180, 240, 300].map(petal).join("") + circle(5),
  grid: [14, 32, 50, 68, 86].map((n) => `M${n} 14v72M14 ${n}h72`).join(""),
  leaf: "M50 94V30M50 12C76 28 78 62 50 80C22 62 24 28 50 12zM50 44l14-11M50 44L36 33M50 58l17-12M50 58L33 46M50 71l13-9M50 71l-13-9",
  sun: `M4 74h92M14 74a36 36 0 0 1 72 0M26 74a24 24 0 0 1 48 0M38 74a12 12 0 0 1 24 0${[-75, -50, -25, 0, 25, 50, 75]
    .map((a) => {
      const r = ((a - 90) * Math.PI) / 180;
      return `M${(50 + 42 * Math.cos(r)).toFixed(1)} ${(74 + 42 * Math.sin(r)).toFixed(1)}L${(50 + 52 * Math.cos(r)).toFixed(1)} ${(74 + 52 * Math.sin(r)).toFixed(1)}`;
    })
    .join("")}M18 84h64M32 93h36`,
  steps: "M8 90V74h18V58h18V42h18V26h18V10h12M8 90h84V10M26 90V74M44 90V58M62 90V42M80 90V26",
};
