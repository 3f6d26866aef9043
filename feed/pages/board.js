// The boards' rules, as feed/board.py has them: how a delta folds, and how a board is ordered.

/** `key` orders a fixed board; `lists` and `sort` are those of a view that takes its place. */
export const BOARDS = {
  new: { title: "New", rule: "newest first", key: "firstSeenAt", lists: ["new"], sort: "new", empty: "No token has been born lately." },
  graduating: { title: "Graduating", rule: "closest first", key: "bondingCurveProgress", lists: ["graduating"], sort: "graduating", empty: "Nothing is close to graduation right now." },
  bonded: { title: "Bonded", rule: "latest first", key: "stateChangedAt", lists: ["bonded"], sort: "bonded", empty: "Nothing has bonded lately." },
  hot: { title: "Hot", rule: "most traded", key: "hotScore", lists: ["new", "graduating", "bonded"], sort: "hot", empty: "Nobody is trading yet." },
};

/** The feed's orders, by the name that the service gives them; the greatest first, but for names. */
export const SORTS = {
  hot: { title: "Heat", key: "hotScore" },
  volume: { title: "Volume, 24 h", key: "volume24h" },
  marketcap: { title: "Market cap", key: "marketCapUsd" },
  recent: { title: "Last trade", key: "lastTradeTs" },
  graduating: { title: "Progress", key: "bondingCurveProgress" },
  bonded: { title: "Last change of state", key: "stateChangedAt" },
  new: { title: "Age", key: "firstSeenAt" },
  watched: { title: "Watchers", key: "watcherCount" },
  alphabetical: { title: "Symbol", key: "symbol" },
};

/** Merge a delta's changes into a Map of items by mint; the mints that it touched. */
export function fold(items, changes) {
  for (const change of changes) {
    if (change.removed) items.delete(change.mint);
    else items.set(change.mint, { ...items.get(change.mint), ...change });
  }
  return changes.map((change) => change.mint);
}

const byMint = (a, b) => (a.mint < b.mint ? -1 : 1);

function byGreatest(key, a, b) {
  const left = a[key], right = b[key];
  if (left === right) return byMint(a, b);
  if (left === null || left === undefined) return 1;
  if (right === null || right === undefined) return -1;
  return left > right ? -1 : 1;
}

const nameOf = (item) => (item.symbol || item.name || "\u{10ffff}").toLowerCase();

function byName(a, b) {
  const left = nameOf(a), right = nameOf(b);
  return left === right ? byMint(a, b) : left < right ? -1 : 1;
}

/** The items in an order of the service: greatest first, null last, then by mint. */
export function ordered(items, sort) {
  return [...items].sort(sort === "alphabetical" ? byName : byGreatest.bind(null, SORTS[sort].key));
}
