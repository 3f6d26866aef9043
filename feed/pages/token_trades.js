// The newest trades of one token, as they come.

import { make, outLink, setText } from "./token_parts.js";
import { ago, compact, dollars, isKnown, price, shortAddress, sol } from "./token_words.js";

const MOST_ROWS = 150;
const MOST_ARRIVING = 5; // rows that fade in; more at once would only flicker
const LARGE_SOL = 1; // from here on a trade is marked
const COLUMNS = ["Age", "Side", "SOL", "USD", "Tokens", "Price", "Trader"];

/** Which trade it is: one transaction may hold several. */
export const keyOf = ({ signature, side, trader, tokens, sol }) => [signature, side, trader, tokens, sol].join(" ");

/** Trades, newest first, with new ones taken in; each once, and at most `most`. */
export function mergeTrades(known, told, most = MOST_ROWS) {
  const keys = new Set(known.map(keyOf));
  const fresh = told.filter((trade) => !keys.has(keyOf(trade)) && keys.add(keyOf(trade)));
  if (!fresh.length) return known;
  return [...fresh, ...known].sort((a, b) => b.time - a.time).slice(0, most);
}

export class TradesPart {
  constructor(mint) {
    Object.assign(this, { mint, trades: [], rows: new Map(), creator: null, only: null });
    this.body = make("tbody");
    this.empty = make("p", { class: "note" }, "No trade has been seen yet.");
    this.filter = make("button", { type: "button", class: "filter", hidden: true });
    this.filter.addEventListener("click", () => this.showOnly(null));
    this.element = make("section", { class: "part trades-part" },
      make("header", {}, make("h2", {}, "Trades"), this.filter),
      make("div", { class: "trades-frame", tabIndex: 0, role: "region", "aria-label": "Trades" },
        make("table", { class: "trades" }, make("thead", {}, make("tr", {}, ...COLUMNS.map((name) => make("th", { scope: "col" }, name)))), this.body), this.empty));
  }

  setCreator(creator) {
    this.creator = creator;
  }

  take(told, isWhole) {
    const before = this.trades;
    // A whole list may follow a gap: older trades would stand behind it as if nothing were missing.
    this.trades = mergeTrades(isWhole ? [] : before, told);
    if (this.trades !== before) this.arrange(before.length > 0 && told.length <= MOST_ARRIVING);
  }

  /** Ages pass. */
  show(now) {
    for (const { age, time } of this.rows.values()) setText(age, ago(time * 1000, now).replace(" ago", ""));
  }

  showOnly(trader) {
    this.only = trader;
    this.filter.hidden = !trader;
    setText(this.filter, trader ? `Only ${shortAddress(trader)} · show all` : "");
    this.arrange(false);
  }

  arrange(isNews) {
    const wanted = this.trades.filter(({ trader }) => !this.only || trader === this.only);
    const keys = new Set(wanted.map(keyOf));
    for (const [key, { element }] of this.rows) {
      if (!keys.has(key)) {
        element.remove();
        this.rows.delete(key);
      }
    }
    let place = this.body.firstElementChild;
    for (const trade of wanted) {
      const key = keyOf(trade), row = this.rows.get(key) ?? this.add(key, trade, isNews);
      if (row.element === place) place = place.nextElementSibling;
      else this.body.insertBefore(row.element, place);
    }
    this.empty.hidden = wanted.length > 0;
    this.show(Date.now());
  }

  add(key, trade, isNews) {
    const age = make("td"), isBuy = trade.side === "buy";
    const who = make("td", { class: "trader" });
    if (trade.trader) {
      const only = make("button", { type: "button", title: `Only the trades of ${trade.trader}` }, shortAddress(trade.trader));
      only.addEventListener("click", () => this.showOnly(trade.trader));
      who.append(only);
      if (trade.trader === this.creator) who.append(make("span", { class: "label dev", title: "The creator's own wallet" }, "dev"));
    }
    if (trade.signature) who.append(outLink(`https://solscan.io/tx/${encodeURIComponent(trade.signature)}`, "tx"));
    const element = make("tr", { class: `${trade.side}${isNews ? " arrived" : ""}${isKnown(trade.sol) && trade.sol >= LARGE_SOL ? " large" : ""}` },
      age, make("td", { class: "side" }, isBuy ? "Buy" : "Sell"), make("td", {}, sol(trade.sol)), make("td", {}, dollars(trade.usd)),
      make("td", {}, compact(trade.tokens)), make("td", {}, price(trade.priceUsd)), who);
    const row = { element, age, time: trade.time };
    this.rows.set(key, row);
    return row;
  }
}
