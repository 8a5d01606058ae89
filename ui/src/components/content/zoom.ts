//! Geometry of the picture viewer. Lengths are CSS pixels; positions are relative to the centre of the stage.

/** Scale of a picture (1: fitted to the stage), and the position of its centre. */
export interface View {
  scale: number;
  x: number;
  y: number;
}
export interface Size {
  width: number;
  height: number;
}
export interface Point {
  x: number;
  y: number;
}

export const FITTED: View = { scale: 1, x: 0, y: 0 };
/** Scale of the first zoom step, of a double tap, and of each key or button. */
export const STEP = 1.5;
export const DOUBLE_TAP = 2.5;

/** Returns the largest size with the proportions of `picture` that fits into `stage`. A small picture is enlarged. */
export function fit(picture: Size, stage: Size): Size {
  const width = Math.max(1, picture.width);
  const height = Math.max(1, picture.height);
  const scale = Math.min(stage.width / width, stage.height / height);
  return { width: width * scale, height: height * scale };
}

/** The maximum scale: four times the fitted size, or the original size if that is larger. */
export function maxScale(picture: Size, fitted: Size): number {
  return fitted.width > 0 ? Math.max(4, picture.width / fitted.width) : 4;
}

/** Limits the scale to 1 to `max`, and the position so that the picture covers the stage as far as it can. */
export function limit(view: View, fitted: Size, stage: Size, max: number): View {
  const scale = Math.min(max, Math.max(1, view.scale));
  const clamp = (at: number, length: number, room: number): number => {
    const slack = Math.max(0, (length * scale - room) / 2);
    return Math.min(slack, Math.max(-slack, at));
  };
  return { scale, x: clamp(view.x, fitted.width, stage.width), y: clamp(view.y, fitted.height, stage.height) };
}

/** Changes the scale so that the part of the picture at `from` is at `to` afterwards. Limits are not applied. */
export function zoomAt(view: View, scale: number, from: Point, to: Point = from): View {
  const ratio = scale / view.scale;
  return { scale, x: to.x - (from.x - view.x) * ratio, y: to.y - (from.y - view.y) * ratio };
}
