// Everything that is known of one token, live: what its page and the side panel show.

import { alerts } from "./alerts.js";
import { linksOf } from "./links.js";
import { Picture } from "./picture.js";
import { copyButton, icon, make, outLink, setAttribute, setText } from "./token_parts.js";
import { CreatorPart, CurvePart, DocumentPart, SafetyPart, WindowsPart } from "./token_sections.js";
import { TokenSource } from "./token_source.js";
import { TradesPart } from "./token_trades.js";
import { ago, change, direction, duration, isKnown, money, price, shortAddress, STATES, symbolOf, UNKNOWN, venueWords } from "./token_words.js";

const INTERVALS = ["1m", "5m", "1h"];
const MOST_WATCHES = 200;
const hueOf = (mint) => [...mint].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);

const watches = {
  list() {
    try {
      return JSON.parse(localStorage.getItem("watched")) ?? [];
    } catch {
      return [];
    }
  },
  toggle(mint) {
    const before = watches.list(), others = before.filter((each) => each !== mint);
    const after = others.length < before.length ? others : [...before, mint].slice(-MOST_WATCHES);
    try {
      localStorage.setItem("watched", JSON.stringify(after));
    } catch { /* private mode: it is not kept */ }
    dispatchEvent(new CustomEvent("watched-changed"));
  },
};

export class TokenView {
  /** `headingLevel` of the symbol; `onState(badge)` and `onItem(item or null)` as they come. */
  constructor(mint, { headingLevel = 1, onState = () => {}, onItem = () => {} } = {}) {
    Object.assign(this, { mint, onState, onItem, item: undefined, isDue: false, waiting: [] });
    this.makeHead(headingLevel);
    this.makeChart();
    this.trades = new TradesPart(mint);
    this.sections = [new WindowsPart(), new CurvePart(), new SafetyPart(), new CreatorPart(mint), new DocumentPart()];
    this.absent = make("div", { class: "absent", hidden: true });
    this.body = make("div", { class: "token-body", hidden: true },
      make("div", { class: "token-main" }, this.chartPart, this.trades.element),
      make("div", { class: "token-side" }, ...this.sections.map(({ element }) => element)));
    this.element = make("article", { class: "token", "aria-busy": "true" }, this.head, this.absent, this.body);
    this.ticking = setInterval(() => document.hidden || this.draw(), 1000);
    this.onWatched = () => this.showWatched();
    addEventListener("watched-changed", this.onWatched);
    addEventListener("storage", this.onWatched);
    this.showWatched();
    this.source = new TokenSource(mint, {
      onItem: (item) => this.take(item),
      onTrades: (trades, isWhole) => this.trades.take(trades, isWhole),
      onCandles: (told) => this.takeCandles(told),
      onState: (badge) => this.showState(badge),
    });
  }

  close() {
    this.isClosed = true;
    clearInterval(this.ticking);
    this.source.close();
    this.chart?.close();
    removeEventListener("watched-changed", this.onWatched);
    removeEventListener("storage", this.onWatched);
  }

  // Made once.

  makeHead(level) {
    const { mint } = this;
    const avatar = make("span", { class: "token-avatar", "aria-hidden": "true" });
    avatar.style.setProperty("--hue", hueOf(mint));
    this.parts = {
      avatar,
      initials: make("span", { class: "initials" }),
      symbol: make(`h${level}`, { class: "token-symbol" }, shortAddress(mint)), // until more is known
      name: make("span", { class: "token-name" }),
      state: make("span", { class: "label state" }),
      venue: make("span", { class: "label" }),
      age: make("time", { class: "token-age" }),
      watch: make("button", { type: "button", class: "icon-button watch-token" }, icon("star")),
      cap: make("b", { class: "token-cap" }),
      price: make("span", { class: "token-price" }),
      changes: make("ul", { class: "token-changes", "aria-label": "Change of the price" }),
      told: make("p", { class: "origin" }),
    };
    avatar.append(this.parts.initials);
    this.parts.watch.addEventListener("click", () => this.toggleWatch());
    const links = linksOf(mint).map(([name, address]) => outLink(address, name, icon("open")));
    this.head = make("header", { class: "token-head" },
      avatar,
      make("div", { class: "token-who" },
        make("div", { class: "token-title" }, this.parts.symbol, this.parts.name, this.parts.state, this.parts.venue),
        make("div", { class: "token-facts" }, this.parts.age, copyButton(mint, shortAddress(mint), `Copy mint ${mint}`), this.parts.watch, this.makeBell())),
      make("div", { class: "token-worth" },
        make("p", {}, make("span", { class: "unseen" }, "Market cap "), this.parts.cap, " ", this.parts.price), this.parts.changes, this.parts.told),
      make("nav", { class: "token-links", "aria-label": "Elsewhere" }, ...links));
    this.picture = new Picture(avatar, mint);
  }

  makeBell() {
    const view = this;
    return alerts.makeButton({ class: "icon-button" }, { mint: view.mint, get symbol() { return symbolOf(view.item ?? view); } });
  }

  makeChart() {
    this.chartFrame = make("div", { class: "chart-frame", role: "img", "aria-label": "Candles and volume" });
    this.chartWords = make("p", { class: "chart-words" });
    const choices = INTERVALS.map((interval) => this.makeChoice(interval, interval === "1m", () => this.source.setInterval(interval)));
    const units = ["Market cap", "Price"].map((unit, at) => this.makeChoice(unit, at === 0, () => this.showUnit(unit)));
    this.isCap = true;
    this.chartPart = make("section", { class: "part chart-part" },
      make("header", {}, make("h2", { class: "unseen" }, "Candles"),
        make("div", { class: "switch", role: "group", "aria-label": "Length of a candle" }, ...choices),
        make("div", { class: "switch", role: "group", "aria-label": "What the candles show" }, ...units)),
      this.chartWords, this.chartFrame,
      make("p", { class: "chart-by" }, "Chart: ", outLink("https://www.tradingview.com/", "TradingView"), " Lightweight Charts™"));
  }

  makeChoice(text, isFirst, choose) {
    const choice = make("button", { type: "button", "aria-pressed": String(isFirst) }, text);
    choice.addEventListener("click", () => {
      for (const other of choice.parentElement.children) other.setAttribute("aria-pressed", String(other === choice));
      choose();
    });
    return choice;
  }

  // What comes in.

  take(item) {
    const isFirst = this.item === undefined || (item && !this.item);
    this.item = item;
    this.element.removeAttribute("aria-busy");
    this.onItem(item);
    if (isFirst && item) this.sections.forEach((section) => section.begin?.(item));
    this.trades.setCreator(item?.creatorWallet ?? null);
    this.schedule();
  }

  takeCandles(told) {
    this.waiting = told.isWhole ? [told] : [...this.waiting, told];
    if (this.chart) this.drawCandles();
    else this.loadChart();
  }

  /** The library is large, and asked for once there is something to draw. */
  async loadChart() {
    if (this.isLoading) return;
    this.isLoading = true;
    try {
      const { candleWords, TokenChart } = await import("./token_chart.js");
      if (this.isClosed) return;
      this.chart = new TokenChart(this.chartFrame);
      this.tellCandle = (candle) => setText(this.chartWords, candleWords(candle ?? this.chart.newest, this.chart));
      this.chart.onPoint = this.tellCandle;
      this.showUnit();
      this.drawCandles();
    } catch (error) {
      setText(this.chartWords, "The chart could not be loaded.");
      console.error(error);
    } finally {
      this.isLoading = false;
    }
  }

  drawCandles() {
    const told = this.waiting.splice(0), problem = told.at(-1)?.problem;
    for (const each of told) this.chart.take(each);
    if (problem) setText(this.chartWords, `Candles could not be read: ${problem}.`);
    else if (this.chart.newest) this.tellCandle(null);
    else setText(this.chartWords, "No trade has been seen yet.");
  }

  showState(badge) {
    this.onState(badge);
    this.element.classList.toggle("is-stale", badge.isStale);
  }

  showUnit(unit) {
    if (unit) this.isCap = unit === "Market cap";
    const supply = Number(this.item?.totalSupply);
    this.chart?.setSupply(this.isCap && supply > 0 ? supply : null);
  }

  // Drawing: at most once a frame.

  schedule() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.isDue = false;
    if (this.isClosed || this.item === undefined) return;
    const now = Date.now(), { item } = this;
    this.body.hidden = !item;
    this.absent.hidden = Boolean(item);
    if (!item) return this.showAbsent();
    this.showHead(item, now);
    this.showUnit();
    for (const section of this.sections) section.show(item, now);
    this.trades.show(now);
  }

  showHead(item, now) {
    const { parts } = this, symbol = symbolOf(item), name = (item.name ?? "").trim();
    setText(parts.symbol, symbol);
    setText(parts.name, name === symbol ? "" : name);
    setText(parts.initials, [...symbol.replace(/[^\p{L}\p{N}]/gu, "")].slice(0, 2).join("").toUpperCase() || "?");
    setText(parts.state, STATES[item.state] ?? item.state);
    setAttribute(parts.state, "data-state", item.state);
    setText(parts.venue, venueWords(item.launchpad));
    setText(parts.age, `${duration((now - Date.parse(item.firstSeenAt)) / 1000)} old`);
    setAttribute(parts.age, "datetime", item.firstSeenAt);
    setAttribute(parts.age, "title", `First seen ${new Date(item.firstSeenAt).toLocaleString()}`);
    setText(parts.cap, money(item.marketCapUsd, item.marketCapSol));
    setText(parts.price, isKnown(item.priceUsd) ? price(item.priceUsd) : "");
    this.showChanges(item);
    const at = Date.parse(item.lastTradeTs);
    setText(parts.told, Number.isFinite(at) ? `Last trade ${ago(at, now)}` : "No trade has been seen yet");
    this.picture.see(now);
  }

  showChanges(item) {
    const periods = ["5m", "1h", "6h", "24h"], { changes } = this.parts;
    if (!changes.children.length) changes.append(...periods.map((period) => make("li", {}, make("small", {}, period), make("b"))));
    periods.forEach((period, at) => {
      const value = item[`priceChange${period}`], figure = changes.children[at].lastChild;
      setText(figure, change(value));
      setAttribute(figure, "data-mood", ["down", "", "up"][direction(value) + 1]);
    });
  }

  /** It is not tracked: the rest is elsewhere. */
  showAbsent() {
    setText(this.parts.symbol, shortAddress(this.mint));
    for (const part of ["name", "state", "venue", "age", "price", "told"]) setText(this.parts[part], "");
    setText(this.parts.cap, UNKNOWN);
    this.parts.changes.replaceChildren();
    if (this.absent.children.length) return;
    this.absent.append(make("h2", {}, "This token is not tracked here"),
      make("p", {}, "The mint is well formed, but this service has not seen it born or traded lately: it keeps unbonded tokens for two days, and bonded ones for three. " +
        "If it is born while this page is open, it appears here by itself. The links above lead to what others know of it."));
  }

  toggleWatch() {
    watches.toggle(this.mint);
  }

  showWatched() {
    const isWatched = watches.list().includes(this.mint), { watch } = this.parts;
    setAttribute(watch, "aria-pressed", isWatched);
    setAttribute(watch, "aria-label", isWatched ? "Stop watching" : "Watch");
    setAttribute(watch, "title", isWatched ? "Stop watching" : "Watch");
  }
}
