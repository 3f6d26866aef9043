// The sections beside a token's chart: each shows a part of its item, and says where that comes from.

import { quoteOf } from "./quotes.js";
import { copyButton, Figures, make, outLink, Section, setAttribute, setText } from "./token_parts.js";
import { change, compact, direction, dollars, duration, isKnown, money, originWords, percent, safeAddress, shortAddress, sol, STATES, symbolOf, UNKNOWN, venueWords, whole, windowsWords } from "./token_words.js";

const WASH_FROM = 0.6; // of 0..1: from here on it is a warning
const MUCH_AT_TOP = 50, MUCH_AT_DEV = 10; // per cent of the supply: from here on a warning
const OTHER_COINS = 10, ASK_AGAIN = 30_000; // shown at once; milliseconds between two questions
const PERIODS = ["5m", "1h", "6h", "24h"], SALES = PERIODS.map((period) => `sells${period}`);

const yesNo = (value, yes, no) => (value === true ? { text: yes, mood: "up" } : value === false ? { text: no, mood: "down" } : UNKNOWN);
const warned = (value, from) => ({ text: percent(value), mood: isKnown(value) && value >= from ? "warm" : "" });

/** Trading in each window. */
export class WindowsPart extends Section {
  constructor() {
    const rows = ["Volume", "Buys", "Sells", "Traders", "Change"];
    const cells = Object.fromEntries(rows.map((row) => [row, PERIODS.map(() => make("td"))]));
    const head = make("tr", {}, make("th", { scope: "col" }, make("span", { class: "unseen" }, "Figure")), ...PERIODS.map((period) => make("th", { scope: "col" }, period)));
    const sides = make("div", { class: "balance", role: "img" }, make("i"));
    super("Trading", make("table", { class: "windows" }, make("thead", {}, head), make("tbody", {}, ...rows.map((row) => make("tr", {}, make("th", { scope: "row" }, row), ...cells[row])))), sides);
    Object.assign(this, { cells, sides });
  }

  show(item, now) {
    PERIODS.forEach((period, at) => {
      const volume = item[`volume${period}`], moved = item[`priceChange${period}`];
      setText(this.cells.Volume[at], money(volume, item[`volume${period}Sol`]));
      setText(this.cells.Buys[at], compact(item[`buys${period}`]));
      setText(this.cells.Sells[at], compact(item[`sells${period}`]));
      setText(this.cells.Traders[at], compact(item[`uniqueTraders${period}`]));
      setText(this.cells.Change[at], change(moved));
      setAttribute(this.cells.Change[at], "data-mood", ["down", "", "up"][direction(moved) + 1]);
    });
    const period = ["5m", "1h", "6h", "24h"].find((each) => item[`buys${each}`] + item[`sells${each}`] > 0);
    this.sides.hidden = !period;
    if (period) {
      const bought = item[`buys${period}`], sold = item[`sells${period}`];
      this.sides.style.setProperty("--share", bought / (bought + sold));
      setAttribute(this.sides, "aria-label", `${bought} buys and ${sold} sells in ${period}`);
      setAttribute(this.sides, "title", `${bought} buys and ${sold} sells in ${period}`);
    }
    this.showOrigin(windowsWords(item.provenance?.windows, now));
  }
}

/** How far it has come: the curve, or the pool. */
export class CurvePart extends Section {
  constructor() {
    const bar = make("div", { class: "progress", role: "progressbar", "aria-label": "Progress of the curve", "aria-valuemin": 0, "aria-valuemax": 100 }, make("i"));
    const figures = new Figures([
      ["State", (item) => STATES[item.state] ?? item.state],
      ["Progress", (item) => (isKnown(item.bondingCurveProgress) ? `${Math.floor(item.bondingCurveProgress * 10) / 10}%` : UNKNOWN), "Of the tokens that the curve sells; 100% is only ever a complete curve"],
      ["SOL raised", (item) => sol(item.solRaised)],
      ["SOL to graduate", (item) => sol(item.solToGraduate)],
      ["Market cap", (item) => dollars(item.marketCapUsd)],
      ["in SOL", (item) => sol(item.marketCapSol)],
      ["Liquidity", (item) => dollars(item.liquidityUsd)],
      ["Trades at", (item) => venueWords(item.poolType)],
      ["Paired with", (item) => (!item.quoteMint ? UNKNOWN : quoteOf(item) || "SOL")],
    ]);
    const addresses = make("div", { class: "addresses" });
    super("Curve and pool", bar, figures.element, addresses);
    Object.assign(this, { bar, figures, addresses, shown: "" });
  }

  show(item, now) {
    const progress = item.bondingCurveProgress ?? 0;
    this.bar.hidden = !isKnown(item.bondingCurveProgress);
    this.bar.style.setProperty("--progress", progress);
    setAttribute(this.bar, "aria-valuenow", Math.floor(progress));
    this.figures.show(item, now);
    const shown = `${item.bondingCurveKey} ${item.poolAddress}`;
    if (shown !== this.shown) {
      this.shown = shown;
      this.addresses.replaceChildren(...[["Curve", item.bondingCurveKey], ["Pool", item.poolAddress]].filter(([, address]) => address)
        .map(([name, address]) => make("p", {}, `${name} `, copyButton(address, shortAddress(address), `Copy the address of the ${name.toLowerCase()}`))));
    }
    this.showOrigin([originWords(item.provenance?.market, now), item.provenance?.lifecycle ? `state: ${originWords(item.provenance.lifecycle, now)}` : ""].filter(Boolean).join("; "));
  }
}

/** Who holds it, and what can still be done to those who do. */
export class SafetyPart extends Section {
  constructor() {
    const figures = new Figures([
      ["Holders", (item) => whole(item.holderCount)],
      ["Top holders", (item) => warned(item.topHoldersPercent, MUCH_AT_TOP), "Per cent of the supply that the largest holders have"],
      ["Minting", (item) => yesNo(item.mintRenounced, "renounced", "can mint more"), "Mint authority: while it is not renounced, its owner can make more"],
      ["Freezing", (item) => yesNo(item.freezeRevoked, "revoked", "can freeze"), "Freeze authority: while it is not revoked, its owner can freeze what others hold"],
      ["Wash trading", (item) => (isKnown(item.washScore) ? { text: `${item.washScore.toFixed(2)} / 1`, mood: item.washScore >= WASH_FROM ? "warm" : "" } : UNKNOWN), "How much of the trading seems to be done by few with themselves"],
      ["Organic score", (item) => (isKnown(item.organicScore) ? `${item.organicScore.toFixed(0)} / 100` : UNKNOWN), "Jupiter's"],
      ["Sales seen", (item) => (SALES.some((key) => item[key] > 0) ? { text: "yes", mood: "up" } : "none yet"), "Within a day"],
      ["Watchers here", (item) => whole(item.watcherCount)],
    ]);
    super("Holders and safety", figures.element, make("p", { class: "note" }, "Snipers, bundles and insiders are told by no free source, and not shown."));
    this.figures = figures;
  }

  show(item, now) {
    this.figures.show(item, now);
    this.showOrigin(originWords(item.provenance?.holders, now));
  }
}

/** Who made it, and what else. */
export class CreatorPart extends Section {
  constructor(mint) {
    const figures = new Figures([
      ["First buy", (item) => sol(item.initialBuySol), "What the creator bought for with the birth"],
      ["Still holds", (item) => warned(item.devBalancePercent, MUCH_AT_DEV), "Per cent of the supply"],
      ["Coins made", (item) => whole(item.devMints)],
      ["Graduated", (item) => whole(item.devMigrations)],
    ]);
    const wallet = make("p", { class: "addresses" }), coins = make("ol", { class: "coins" }), words = make("p", { class: "note" });
    super("Creator", wallet, figures.element, make("h3", {}, "Other coins of this creator"), coins, words);
    Object.assign(this, { mint, figures, wallet, coins, words, askedAt: -Infinity });
  }

  show(item, now) {
    this.figures.show(item, now);
    this.showOrigin(originWords(item.provenance?.holders, now));
    if (item.creatorWallet !== this.creator) {
      this.creator = item.creatorWallet;
      this.askedAt = -Infinity;
      this.wallet.replaceChildren(...(this.creator ? [copyButton(this.creator, shortAddress(this.creator), `Copy the creator's address ${this.creator}`), outLink(`https://solscan.io/account/${this.creator}`, "Solscan")] : ["The creator is not known."]));
    }
    if (this.creator && now - this.askedAt > ASK_AGAIN) this.ask(now);
  }

  async ask(now) {
    this.askedAt = now;
    const { creator } = this;
    try {
      const answer = await fetch(`/api/creators/${creator}/tokens?limit=${OTHER_COINS + 1}`);
      if (!answer.ok) throw new Error(`the service answers ${answer.status}`);
      const { tokens, total } = await answer.json();
      if (creator === this.creator) this.showCoins(tokens.filter(({ mint }) => mint !== this.mint).slice(0, OTHER_COINS), total - 1, now);
    } catch {
      setText(this.words, "They could not be asked for just now.");
    }
  }

  showCoins(coins, others, now) {
    this.coins.replaceChildren(...coins.map((coin) => make("li", {}, make("a", { href: `/token/${coin.mint}` },
      make("b", {}, symbolOf(coin)), make("span", { class: "label state", dataset: { state: coin.state } }, coin.state),
      make("span", {}, dollars(coin.marketCapUsd)), make("time", { dateTime: coin.firstSeenAt }, `${duration((now - Date.parse(coin.firstSeenAt)) / 1000)} old`)))));
    setText(this.words, others <= 0 ? "None of the tokens tracked here." : others > coins.length ? `The newest ${coins.length} of ${whole(others)} tracked here.` : "");
  }
}

/** What its people say of it. */
export class DocumentPart extends Section {
  constructor() {
    const text = make("p", { class: "description" }), links = make("p", { class: "addresses" });
    super("In its own words", text, links);
    Object.assign(this, { text, links, shown: "" });
  }

  show(item, now) {
    const links = [["X", item.twitter], ["Telegram", item.telegram], ["Website", item.website]].map(([name, text]) => [name, safeAddress(text)]).filter(([, address]) => address);
    this.element.hidden = !item.description && !links.length;
    setText(this.text, item.description ?? "");
    const shown = JSON.stringify(links);
    if (shown !== this.shown) {
      this.shown = shown;
      this.links.replaceChildren(...links.map(([name, address]) => Object.assign(outLink(address, name), { title: address })));
    }
    this.showOrigin(originWords(item.provenance?.profile, now));
  }
}
