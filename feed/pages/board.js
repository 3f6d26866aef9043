// The boards and orders in words. How a delta folds and what an order sorts by: client.js.

/** `lists` and `sort` are those of a view that takes a fixed board's place. */
export const BOARDS = {
  new: { title: "New", rule: "newest first", lists: ["new"], sort: "new", empty: "No token has been born lately." },
  graduating: { title: "Graduating", rule: "closest first", lists: ["graduating"], sort: "graduating", empty: "Nothing is close to graduation right now." },
  bonded: { title: "Bonded", rule: "latest first", lists: ["bonded"], sort: "bonded", empty: "Nothing has bonded lately." },
  hot: { title: "Hot", rule: "most traded", lists: ["new", "graduating", "bonded"], sort: "hot", empty: "Nobody is trading yet." },
};

/** The feed's orders, by the name that the service gives them. */
export const SORTS = {
  hot: { title: "Heat" },
  volume: { title: "Volume, 24 h" },
  marketcap: { title: "Market cap" },
  recent: { title: "Last trade" },
  graduating: { title: "Progress" },
  bonded: { title: "Last change of state" },
  new: { title: "Age" },
  watched: { title: "Watchers" },
  alphabetical: { title: "Symbol" },
};
