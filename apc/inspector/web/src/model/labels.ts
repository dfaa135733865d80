/** Labels beside the points of a picture, without overlaps where that can be had. */

interface Spot {
  x: number;
  y: number;
  text: string;
}

interface Placement {
  anchor: "start" | "middle" | "end";
  dx: number;
  dy: number;
}

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const HEIGHT = 13;
const CHARACTER = 6.1;
const RADIUS = 6;

const CANDIDATES: Placement[] = [
  { anchor: "start", dx: 9, dy: 0 },
  { anchor: "end", dx: -9, dy: 0 },
  { anchor: "middle", dx: 0, dy: -14 },
  { anchor: "middle", dx: 0, dy: 14 },
  { anchor: "start", dx: 9, dy: -13 },
  { anchor: "start", dx: 9, dy: 13 },
  { anchor: "end", dx: -9, dy: -13 },
  { anchor: "end", dx: -9, dy: 13 },
];

/** For every spot the first place that is inside `frame` and covers no other label or point; else the one that covers
 * the least. */
export function placed(spots: Spot[], frame: Box): Placement[] {
  const taken: Box[] = spots.map(({ x, y }) => ({
    left: x - RADIUS,
    right: x + RADIUS,
    top: y - RADIUS,
    bottom: y + RADIUS,
  }));
  return spots.map((spot, own) => {
    const others = taken.filter((_, place) => place !== own);
    const costs = CANDIDATES.map((candidate) => {
      const box = boxOf(spot, candidate);
      return others.reduce((sum, other) => sum + overlap(box, other), 0) + outside(box, frame);
    });
    const best = CANDIDATES[costs.indexOf(Math.min(...costs))]!;
    taken.push(boxOf(spot, best));
    return best;
  });
}

function boxOf({ x, y, text }: Spot, { anchor, dx, dy }: Placement): Box {
  const width = text.length * CHARACTER;
  const left = x + dx - (anchor === "start" ? 0 : anchor === "end" ? width : width / 2);
  return { left, right: left + width, top: y + dy - HEIGHT / 2, bottom: y + dy + HEIGHT / 2 };
}

function overlap(one: Box, other: Box): number {
  const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
  const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
  return across > 0 && down > 0 ? across * down : 0;
}

/** Worse than covering something. */
function outside(box: Box, frame: Box): number {
  return 1000 * (Math.max(0, frame.left - box.left) + Math.max(0, box.right - frame.right));
}
