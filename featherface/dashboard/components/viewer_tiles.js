// The photo's own pixels, loaded as tiles once the preview has fewer than the screen shows.

const MAX_DENSITY = 2; // device pixels per CSS pixel beyond which more detail is not worth its bytes
const PREVIEW_ENOUGH = 1.1; // screen pixels per pixel of the preview

class Tiles {
  constructor(group) {
    this.group = group;
    this.shown = new Map(); // by address
  }

  // Load the tiles of the visible part. tile: pixels of a tile's longer side. unit: pixels of the photo per CSS pixel.
  show({ regions, preview, tile, width, height }, visible, unit) {
    const density = Math.min(window.devicePixelRatio || 1, MAX_DENSITY);
    const wanted = new Map();
    if (regions && density / unit > (PREVIEW_ENOUGH * preview) / width) {
      const span = tile * 2 ** Math.max(0, Math.round(Math.log2(unit / density)));
      const [right, bottom] = [Math.min(width, visible.right), Math.min(height, visible.bottom)];
      for (let top = Math.floor(Math.max(0, visible.top) / span) * span; top < bottom; top += span) {
        for (let left = Math.floor(Math.max(0, visible.left) / span) * span; left < right; left += span) {
          const box = [left, top, Math.min(left + span, width), Math.min(top + span, height)];
          wanted.set(regionAddress(regions, box, Math.ceil((tile * longest(box)) / span)), box);
        }
      }
    }
    clearTimeout(this.later);
    if ([...wanted.keys()].every((address) => this.shown.has(address))) this.replace(wanted);
    else this.later = setTimeout(() => this.replace(wanted), this.shown.size ? 80 : 0); // while a zoom goes on
  }

  // Show the tiles; those of another zoom stay below until all new ones are there.
  replace(wanted) {
    const loading = [];
    for (const [address, box] of wanted) {
      if (this.shown.has(address)) continue;
      const tile = append(this.group, "image", "tile", SVG);
      set(tile, { ...rectangle(box), preserveAspectRatio: "none" });
      loading.push(new Promise((done) => (tile.onload = tile.onerror = done)));
      setAddress(tile, address);
      this.shown.set(address, tile);
    }
    this.wanted = wanted;
    Promise.all(loading).then(() => {
      if (this.wanted === wanted) this.drop((address) => !wanted.has(address));
    });
  }

  drop(superfluous) {
    for (const [address, tile] of [...this.shown].filter(([address]) => superfluous(address))) {
      tile.remove();
      this.shown.delete(address);
    }
  }
}

// The address of a box of the photo, scaled so that its longer side has `size` pixels.
function regionAddress(regions, box, size) {
  return `${regions}/${[...box, size].join(",")}`;
}

function longest([left, top, right, bottom]) {
  return Math.max(right - left, bottom - top);
}
