// How much attention a token gets, of what its score tells. Pure.

import { isKnown } from "./token_words.js";

const meta = (name) => Number(document.querySelector(`meta[name="${name}"]`)?.content);
const HALF_LIFE = meta("half-life-seconds"), LANDMARK = meta("landmark-seconds");

/** SOL of trading that a score is worth now; the inverse of domain/scoring.py's with_trade. */
export function heat(score, now) {
  return isKnown(score) ? 2 ** Math.min(score - (now / 1000 - LANDMARK) / HALF_LIFE, 1000) : null;
}
