// Figures and words as a card shows them. Pure.

import { isKnown, UNKNOWN } from "./token_words.js";

const meta = (name) => Number(document.querySelector(`meta[name="${name}"]`)?.content);
const HALF_LIFE = meta("half-life-seconds"), LANDMARK = meta("landmark-seconds");
export const LAUNCHPADS = { pumpfun: "pump.fun", launchlab: "LaunchLab", "meteora-dbc": "Meteora DBC", "raydium-cpmm": "Raydium", raydium: "Raydium", meteora: "Meteora" };

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const money = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3, style: "currency", currency: "USD" });

export const count = (value) => (isKnown(value) ? compact.format(value) : UNKNOWN);
export const dollars = (value) => (isKnown(value) ? money.format(value) : UNKNOWN);
export const percent = (value) => (isKnown(value) ? `${value < 10 ? value.toFixed(1) : Math.round(value)}%` : UNKNOWN);

/** In dollars where they are known, else in SOL: `[text, value]`. */
export function eitherMoney(usd, sol) {
  if (isKnown(usd)) return [money.format(usd), usd];
  if (isKnown(sol)) return [`◎${compact.format(sol)}`, sol];
  return [UNKNOWN, null];
}

/** `{text, direction}` of a change in per cent; direction is 1, -1, or 0 for hardly any. */
export function changeOf(value) {
  if (!isKnown(value)) return { text: "", direction: 0 };
  const direction = Math.abs(value) < 0.05 ? 0 : Math.sign(value);
  const size = Math.abs(value) >= 1000 ? compact.format(value) : Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(1).replace("-0.0", "0.0");
  return { text: `${direction > 0 ? "+" : ""}${size}%`, direction };
}

export function ageText(since, now) {
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
}

/** SOL of trading that a score is worth now; the inverse of domain/scoring.py's with_trade. */
export function heat(score, now) {
  return isKnown(score) ? 2 ** Math.min(score - (now / 1000 - LANDMARK) / HALF_LIFE, 1000) : null;
}

/** The shortest of these windows in which a figure is known. */
export const windowOf = (item, figure, windows) => windows.find((window) => isKnown(item[`${figure}${window}`]));
