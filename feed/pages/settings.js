// What the reader has chosen: columns with their filters and orders, search, density. All of it
// stands in the address, so that a link shares it, a reload keeps it and Back undoes it. Pure.

import { BOARDS, SORTS } from "./board.js";

const WINDOWS = ["5m", "1h", "6h", "24h"];
const inWindows = (label, suffix, unit, ends = "min") => ({ label, unit, names: WINDOWS.map((window) => [`${ends}${suffix}${window}`, window]) });
const range = (label, suffix, unit) => ({ label, unit, names: [[`min${suffix}`, "from"], [`max${suffix}`, "to"]] });
const most = (label, suffix, unit) => ({ label, unit, names: [[`max${suffix}`, "at most"]] });

/** The filters of numbers, by group: `names` are parameters of the feed, each with its label. */
export const NUMBERS = [
  { title: "The coin", rows: [range("Age", "Age", "minutes"), range("Market cap", "MarketCap", "$"), range("Liquidity", "LiquidityUsd", "$"), range("Progress", "BondingProgress", "%"), range("Holders", "Holders", "")] },
  { title: "Trading, at least", rows: [inWindows("Volume", "Volume", "$"), inWindows("Buys", "Buys", ""), inWindows("Sells", "Sells", ""), inWindows("Buys and sells", "Transactions", ""), inWindows("Traders", "Traders", ""), inWindows("Change", "PriceChange", "%")] },
  { title: "Safety", rows: [most("Top 10 holders", "Top10Holders", "%"), most("Developer holds", "DevBalance", "%"), range("Developer bought", "InitialBuySol", "SOL"), most("Developer's coins", "DevMints", ""), { label: "Of them graduated", unit: "", names: [["minDevMigrations", "at least"]] }, most("Wash score", "WashScore", "0–1")] },
];
export const SWITCHES = [
  ["requireSecurity", "Nobody can mint or freeze"],
  ["requireTwitter", "X"],
  ["requireTelegram", "Telegram"],
  ["requireWebsite", "Website"],
];
export const PADS = [["pumpfun", "pump.fun"], ["launchlab", "LaunchLab"], ["meteora-dbc", "Meteora DBC"]];

const NUMBER_NAMES = new Set(NUMBERS.flatMap(({ rows }) => rows.flatMap(({ names }) => names.map(([name]) => name))));
const SWITCH_NAMES = new Set(SWITCHES.map(([name]) => name));
const PAD_NAMES = new Set(PADS.map(([name]) => name));

export const DENSITIES = ["full", "compact"];
export const VIEW_LIMIT = 100; // tokens of a column with filters or an order of its own
const LONGEST_SEARCH = 64;

/** A column that shows a fixed board whole. */
export const plainColumn = (board) => ({ board, filters: {}, sort: BOARDS[board].sort });
export const defaults = () => ({ columns: Object.keys(BOARDS).map(plainColumn), search: "", watched: false, density: "full" });

export const isPlain = ({ board, filters, sort }) => !Object.keys(filters).length && sort === BOARDS[board].sort;

/** What a column asks of the service: a fixed board as it is, or a view. */
export function requestOf(column) {
  if (isPlain(column)) return { board: column.board };
  return { view: { boards: BOARDS[column.board].lists, filters: column.filters, sort: column.sort, limit: VIEW_LIMIT } };
}

/** The value of a filter out of text; undefined for what is none. */
export function readFilter(name, text) {
  const value = text.trim();
  if (NUMBER_NAMES.has(name)) return value !== "" && Number.isFinite(Number(value)) ? Number(value) : undefined;
  if (SWITCH_NAMES.has(name)) return value === "true" ? true : undefined;
  if (name === "launchpad") return value.split(",").filter((pad) => PAD_NAMES.has(pad)).join(",") || undefined;
  return undefined;
}

/** The settings that a query string holds; what cannot be read there is left as it is by default. */
export function readSettings(text) {
  const given = new URLSearchParams(text);
  const boards = [...new Set((given.get("columns") ?? "").split(","))].filter((board) => Object.hasOwn(BOARDS, board));
  const columns = (boards.length ? boards : Object.keys(BOARDS)).map(plainColumn);
  for (const [name, value] of given) {
    const [board, filter, rest] = name.split(".");
    const column = columns.find((each) => each.board === board);
    if (!column || !filter || rest !== undefined) continue;
    const read = readFilter(filter, value);
    if (read !== undefined) column.filters[filter] = read;
    else if (filter === "sort" && Object.hasOwn(SORTS, value)) column.sort = value;
  }
  const density = DENSITIES.includes(given.get("density")) ? given.get("density") : DENSITIES[0];
  return { columns, density, search: (given.get("q") ?? "").slice(0, LONGEST_SEARCH), watched: given.get("watched") === "1" };
}

/** The shortest query string that `readSettings` reads back; "" where all is as by default. */
export function writeSettings({ columns, search, watched, density }) {
  const written = new URLSearchParams();
  const boards = columns.map(({ board }) => board).join(",");
  if (boards !== Object.keys(BOARDS).join(",")) written.set("columns", boards);
  for (const { board, filters, sort } of columns) {
    for (const [name, value] of Object.entries(filters)) written.set(`${board}.${name}`, value);
    if (sort !== BOARDS[board].sort) written.set(`${board}.sort`, sort);
  }
  if (search) written.set("q", search);
  if (watched) written.set("watched", "1");
  if (density !== DENSITIES[0]) written.set("density", density);
  const text = written.toString().replaceAll("%2C", ",");
  return text && `?${text}`;
}
