// The course of a price: candles of the last hour, asked for once, then what the boards tell.

const MINUTES = 60; // of candles asked for, and of a course
const POINTS = 120, FINE = 5; // most points; what is older than so many minutes has one a minute then
const AT_ONCE = 3, WAITING = 40; // requests; of those that wait, the oldest are dropped
const REMEMBERED = 500; // courses; the longest unused are forgotten
const PAUSE = 30_000, AGAIN_AFTER = 120_000; // milliseconds after a failure: of the service, of one coin
const FARTHEST = 50; // times; a price so far away is in another unit (SOL, where no dollar is known)

const courses = new Map(); // by mint, the longest unused first
const queue = []; // the newest wish last
let asking = 0, pausedUntil = 0;

class Course {
  constructor(mint) {
    this.mint = mint;
    this.points = []; // [minutes since 1970, price], oldest first
    this.version = 0; // grows with every change
    this.askAgainAt = 0;
  }

  /** The price is this now. */
  add(price, now) {
    const last = this.points.at(-1);
    if (!(price > 0) || (last && !(price < last[1] * FARTHEST && price > last[1] / FARTHEST))) return;
    const minute = Math.floor(now / 10_000) / 6;
    if (last && last[0] >= minute) {
      if (last[1] === price) return;
      last[1] = price;
    } else this.points.push([minute, price]);
    if (this.points.length > POINTS) this.thin(minute);
    this.version += 1;
  }

  thin(now) {
    this.points = this.points.filter(([minute], at, all) => minute > now - FINE
      || (minute > now - MINUTES && Math.floor(minute) !== Math.floor(all[at + 1][0])));
  }

  /** Candles as the service tells them go before what was heard since. */
  complete(candles) {
    const told = candles.filter(({ close }) => close > 0).map(({ time, close }) => [time / 60, close]);
    if (!told.length) return;
    told.unshift([told[0][0] - 1, candles[0].open || told[0][1]]);
    const heard = this.points.filter(([minute]) => minute > told.at(-1)[0]);
    this.points = told;
    for (const [minute, price] of heard) this.add(price, Math.round(minute * 60_000));
    this.version += 1;
  }
}

export function courseOf(mint) {
  const course = courses.get(mint) ?? new Course(mint);
  courses.delete(mint);
  courses.set(mint, course);
  if (courses.size > REMEMBERED) courses.delete(courses.keys().next().value);
  return course;
}

/** Ask for the candles of a course, once, while `isWanted()`; at most a few at a time. */
export function askForCandles(course, isWanted) {
  const now = Date.now();
  if (course.askAgainAt > now || pausedUntil > now) return;
  course.askAgainAt = Infinity;
  queue.push([course, isWanted]);
  if (queue.length > WAITING) queue.shift()[0].askAgainAt = 0;
  while (asking < AT_ONCE && queue.length) serve(queue.pop());
}

async function serve([course, isWanted]) {
  if (!isWanted()) {
    course.askAgainAt = 0;
    return;
  }
  asking += 1;
  try {
    const answer = await fetch(`/api/tokens/${course.mint}/candles?interval=1m&limit=${MINUTES}`, { signal: AbortSignal.timeout(10_000) });
    if (answer.ok) course.complete((await answer.json()).candles);
    else if (answer.status === 404) course.askAgainAt = Date.now() + AGAIN_AFTER;
    else throw new Error(answer.status);
  } catch {
    course.askAgainAt = 0; // the service is away, or asks for patience: nobody asks for a while
    pausedUntil = Date.now() + PAUSE;
  } finally {
    asking -= 1;
  }
  while (asking < AT_ONCE && queue.length && pausedUntil <= Date.now()) serve(queue.pop());
}

/** `{line, area, isUp}`: paths in a box of 100 by 24; null while there is no course to draw. */
export function drawCourse(points) {
  if (points.length < 3) return null; // two would only be a slope
  const [start] = points[0], [end] = points.at(-1);
  const prices = points.map(([, price]) => price);
  const least = Math.min(...prices), most = Math.max(...prices);
  const x = (minute) => (((minute - start) / (end - start)) * 100).toFixed(1);
  const y = (price) => (most === least ? 12 : 22.5 - ((price - least) / (most - least)) * 21).toFixed(1);
  const line = `M${points.map(([minute, price]) => `${x(minute)} ${y(price)}`).join("L")}`;
  return { line, area: `${line}V24H0Z`, isUp: prices.at(-1) >= prices[0] };
}
