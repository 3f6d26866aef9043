// Figures, ages and sources in words. Pure.

export const UNKNOWN = "–";

const SUBSCRIPT = "₀₁₂₃₄₅₆₇₈₉";
const compactFormat = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const wholeFormat = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const isKnown = (value) => value !== null && value !== undefined;
const known = (write) => (value, ...more) => (isKnown(value) ? write(value, ...more) : UNKNOWN);

export const compact = known((value) => compactFormat.format(value));
export const whole = known((value) => wholeFormat.format(value));
export const dollars = known((value) => (value < 0 ? "−" : "") + "$" + (Math.abs(value) < 0.01 && value !== 0 ? plainPrice(Math.abs(value)) : compactFormat.format(Math.abs(value))));
export const sol = known((value) => `◎${Math.abs(value) >= 0.001 || value === 0 ? compactFormat.format(value) : plainPrice(value)}`);
export const percent = known((value) => `${value >= 1000 ? compactFormat.format(value) : Number(value.toFixed(value < 10 ? 2 : 1))}%`);

/** A sum in dollars where it is known in them, else in SOL. */
export const money = (inDollars, inSol) => (isKnown(inDollars) ? dollars(inDollars) : sol(inSol));

/** +12.5%, −3%, and 0% for what rounds to it. */
export const change = known((value) => {
  const size = Math.abs(value), shown = size >= 1000 ? compactFormat.format(size) : String(Number(size.toFixed(1)));
  return `${shown === "0" ? "" : value > 0 ? "+" : "−"}${shown}%`;
});

/** 1 where a change would be shown as a rise, -1 as a fall, else 0. */
export const direction = (value) => (isKnown(value) && Math.abs(value) >= 0.05 ? Math.sign(value) : 0);

/** Four digits, with the zeros behind the point counted: 0.0₅1234. */
function plainPrice(value) {
  if (value === 0) return "0";
  if (value >= 1000) return compactFormat.format(value);
  if (value >= 1) return String(Number(value.toFixed(4)));
  const [mantissa, exponent] = value.toExponential(3).split("e"), zeros = -exponent - 1;
  const digits = mantissa.replace(".", "").replace(/0+$/, "");
  if (zeros < 0) return digits; // rounded up to 1
  if (zeros < 3) return `0.${"0".repeat(zeros)}${digits}`;
  return `0.0${[...String(zeros)].map((digit) => SUBSCRIPT[digit]).join("")}${digits}`;
}

/** A price in a currency: $0.0₅1234, ◎0.0₇1234. */
export const price = known((value, currency = "usd") => (value < 0 ? "−" : "") + (currency === "sol" ? "◎" : "$") + plainPrice(Math.abs(value)));

/** How long ago, in words: "just now", "12 s ago", "3 min ago". */
export function ago(at, now) {
  const seconds = Math.floor((now - at) / 1000);
  if (!Number.isFinite(seconds)) return "at an unknown time";
  return seconds < 2 ? "just now" : `${duration(seconds)} ago`;
}

/** 12 s, 3 min, 5 h, 2 d. */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export const shortAddress = (address) => (address ? `${address.slice(0, 4)}…${address.slice(-4)}` : UNKNOWN);

const SOURCES = {
  chain: "the chain",
  pumpapi: "PumpAPI",
  pumpportal: "PumpPortal",
  jupiter: "Jupiter",
  dexscreener: "DexScreener",
  "sol-price": "the SOL price",
  trades: "trades counted here",
  trading: "trades counted here",
  https: "the coin's own document",
  http: "the coin's own document",
  "solana-rpc": "Solana RPC",
  sync: "this service",
  stored: "the database",
};
const sourceWords = (name) => SOURCES[name] ?? name;

/** "Jupiter, 12 s ago" of one place in an item's provenance; empty where nothing is told. */
export function originWords(origin, now) {
  return origin?.source ? `${sourceWords(origin.source)}, ${ago(Date.parse(origin.at), now)}` : "";
}

/** The windows' origins in one sentence; those that share a source are told together. */
export function windowsWords(windows, now) {
  const bySource = new Map();
  for (const [name, origin] of Object.entries(windows ?? {})) bySource.set(origin.source, [...(bySource.get(origin.source) ?? []), [name, origin]]);
  const parts = [...bySource.values()].map((list) => `${bySource.size > 1 ? `${list.map(([name]) => name).join(", ")}: ` : ""}${originWords(list[0][1], now)}`);
  return parts.join("; ");
}

export const STATES = { new: "On the curve", graduating: "Graduating", bonded: "Bonded", dead: "Dead: no trade for four hours" };
export const VENUES = {
  pumpfun: "pump.fun", pumpswap: "PumpSwap", launchlab: "LaunchLab", raydium: "Raydium AMM", "raydium-cpmm": "Raydium CPMM", "raydium-clmm": "Raydium CLMM",
  "meteora-dbc": "Meteora DBC", meteora: "Meteora", orca: "Orca",
};
export const venueWords = (venue) => (venue ? VENUES[venue] ?? venue : UNKNOWN);

/** An http(s) address, or null for anything else that a hostile profile may hold. */
export function safeAddress(text) {
  try {
    const address = new URL(text);
    return ["https:", "http:"].includes(address.protocol) ? address.href : null;
  } catch {
    return null;
  }
}

/** What a coin is called: its symbol, else its name, else the begin of its mint. */
export const symbolOf = (item) => (item?.symbol ?? "").trim() || (item?.name ?? "").trim() || (item?.mint ?? "").slice(0, 4);
