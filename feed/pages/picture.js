// A coin's picture, laid over its initials once it is there; asked for rarely until then.

const WAITS = [45_000, 180_000, 900_000]; // milliseconds after each miss; then only for other addresses
const REMEMBERED = 2000; // misses; the oldest are forgotten

const misses = new Map(); // mint -> {count, againAt}

function noteMiss(mint, now) {
  const count = (misses.get(mint)?.count ?? 0) + 1;
  misses.delete(mint);
  misses.set(mint, { count, againAt: now + (WAITS[count - 1] ?? Infinity) });
  if (misses.size > REMEMBERED) misses.delete(misses.keys().next().value);
}

export class Picture {
  constructor(frame, mint) {
    this.frame = frame;
    this.mint = mint;
    this.image = null;
  }

  /** It is in view: ask for it, unless it was missing lately. The frame keeps its size. */
  see(now) {
    if (this.image || (misses.get(this.mint)?.againAt ?? 0) > now) return;
    const image = new Image();
    this.image = image;
    image.alt = "";
    image.decoding = "async";
    image.onload = () => {
      misses.delete(this.mint);
      this.frame.append(image);
    };
    image.onerror = () => {
      this.image = null;
      noteMiss(this.mint, Date.now());
    };
    image.src = `/img/${this.mint}`;
  }

  /** The frame is for another coin from now on. */
  leave() {
    if (!this.image) return;
    this.image.onload = this.image.onerror = null;
    this.image.remove();
    this.image = null;
  }

  /** The coin names another picture: what was missing may be there now. */
  expect() {
    misses.delete(this.mint);
  }
}
