// Alert rules: what a rule is, and when it fires. Pure.
//
// A rule is {kind, scope, value, sound}. `scope` is "watched", a token's mint, or the name of a board or view;
// it fires for a token once when what it asks for becomes true, and again only after it was untrue.

export const KINDS = {
  graduating: { label: "starts graduating", scopes: ["watched", "mint"] },
  bonded: { label: "bonds", scopes: ["watched", "mint"] },
  capAbove: { label: "market cap rises to", unit: "$", scopes: ["watched", "mint"] },
  capBelow: { label: "market cap falls to", unit: "$", scopes: ["watched", "mint"] },
  priceAbove: { label: "price rises to", unit: "$", scopes: ["watched", "mint"] },
  priceBelow: { label: "price falls to", unit: "$", scopes: ["watched", "mint"] },
  newIn: { label: "is new in", scopes: ["board"] },
};
export const MOST_RULES = 50;
const REMEMBERED = 5_000; // tokens that a rule has judged; the oldest are forgotten
const RANKS = { new: 0, graduating: 1, bonded: 2 };

/** A rule as it may be kept, or null for what is none: it may come from anywhere. */
export function readRule(value) {
  const { kind, scope, sound = false } = value ?? {};
  if (!Object.hasOwn(KINDS, kind) || typeof scope !== "string" || !scope || scope.length > 200) return null;
  if (!KINDS[kind].unit) return { kind, scope, value: null, sound: sound === true };
  const bound = Number(value.value);
  return value.value !== null && value.value !== "" && Number.isFinite(bound) && bound > 0 ? { kind, scope, value: bound, sound: sound === true } : null;
}

export const readRules = (values) => (Array.isArray(values) ? values : []).map(readRule).filter(Boolean).slice(0, MOST_RULES);

/** What a rule asks of a token: true, false, or null where it cannot be told. */
export function holds({ kind, value }, item) {
  const known = (figure, judge) => (figure === null || figure === undefined ? null : judge(figure));
  switch (kind) {
    case "graduating": return item.state in RANKS ? RANKS[item.state] >= RANKS.graduating : null;
    case "bonded": return item.state in RANKS ? RANKS[item.state] >= RANKS.bonded : null;
    case "capAbove": return known(item.marketCapUsd, (figure) => figure >= value);
    case "capBelow": return known(item.marketCapUsd, (figure) => figure <= value);
    case "priceAbove": return known(item.priceUsd, (figure) => figure >= value);
    case "priceBelow": return known(item.priceUsd, (figure) => figure <= value);
    default: return null;
  }
}

/** Watches what tokens come to, and tells which rules have fired. */
export class AlertJudge {
  constructor(rules = []) {
    this.setRules(rules);
  }

  /** Other rules: what they have judged so far stays with those that stay. */
  setRules(rules) {
    const before = new Map((this.entries ?? []).map((entry) => [JSON.stringify(entry.rule), entry]));
    this.entries = rules.map((rule) => before.get(JSON.stringify(rule)) ?? { rule, judged: new Map(), seen: null });
  }

  /** Tokens as they are now: `[{rule, item}]` of what has fired. The first look at a token fires nothing. */
  see(items, watched) {
    const fired = [];
    for (const entry of this.entries) {
      if (entry.rule.kind === "newIn") continue;
      for (const item of items) {
        if (entry.rule.scope === "watched" ? !watched.has(item.mint) : entry.rule.scope !== item.mint) continue;
        const is = holds(entry.rule, item);
        if (is === null) continue;
        const was = entry.judged.get(item.mint);
        entry.judged.delete(item.mint);
        entry.judged.set(item.mint, is);
        forgetOldest(entry.judged);
        if (is && was === false) fired.push({ rule: entry.rule, item });
      }
    }
    return fired;
  }

  /** A board or view as it is now, a Map by mint: what is new there fires. The first look at it fires nothing, nor one at a board that was told anew. */
  seeBoard(name, items, isWhole = false) {
    const fired = [];
    for (const entry of this.entries) {
      if (entry.rule.kind !== "newIn" || entry.rule.scope !== name) continue;
      const isFirst = isWhole || entry.seen === null;
      entry.seen ??= new Map();
      for (const item of items.values()) {
        if (!entry.seen.has(item.mint) && !isFirst) fired.push({ rule: entry.rule, item });
        entry.seen.delete(item.mint);
        entry.seen.set(item.mint, true);
      }
      forgetOldest(entry.seen);
    }
    return fired;
  }
}

function forgetOldest(map) {
  while (map.size > REMEMBERED) map.delete(map.keys().next().value);
}

const whole = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** What has fired, in a sentence without the token's name. */
export function firedWords({ kind, scope, value }) {
  const { label, unit } = KINDS[kind];
  if (kind === "newIn") return `is new in ${scope}`;
  return unit ? `${label} ${unit}${value >= 1 ? whole.format(value) : value}` : label;
}

/** 69000, 69,000, $69k, 1.5m as a number; NaN for anything else. */
export function dollarsOf(text) {
  const [, figure, unit] = /^\s*\$?\s*([\d,]*\.?\d+)\s*([kmb]?)\s*$/i.exec(text) ?? [];
  return figure ? Number(figure.replaceAll(",", "")) * { "": 1, k: 1e3, m: 1e6, b: 1e9 }[unit.toLowerCase()] : NaN;
}
