// The boards' rules, as feed/board.py has them: how a delta folds, and how a board is ordered.

export const BOARDS = {
  new: { title: "New", rule: "newest first", key: "firstSeenAt", empty: "No token has been born lately." },
  graduating: { title: "Graduating", rule: "closest first", key: "bondingCurveProgress", empty: "Nothing is close to graduation right now." },
  bonded: { title: "Bonded", rule: "latest first", key: "stateChangedAt", empty: "Nothing has bonded lately." },
  hot: { title: "Hot", rule: "most traded", key: "hotScore", empty: "Nobody is trading yet." },
};

/** Merge a delta's changes into a Map of items by mint; the mints that it touched. */
export function fold(items, changes) {
  for (const change of changes) {
    if (change.removed) items.delete(change.mint);
    else items.set(change.mint, { ...items.get(change.mint), ...change });
  }
  return changes.map((change) => change.mint);
}

/** The items in the board's order: greatest first, null last, then by mint. */
export function ordered(board, items) {
  const { key } = BOARDS[board];
  return [...items.values()].sort((a, b) => {
    const left = a[key], right = b[key];
    if (left !== right) {
      if (left === null || left === undefined) return 1;
      if (right === null || right === undefined) return -1;
      return left > right ? -1 : 1;
    }
    return a.mint < b.mint ? -1 : 1;
  });
}
