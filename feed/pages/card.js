// One token's card. Whatever a token says of itself only ever becomes text.

import { askForCandles, courseOf, drawCourse } from "./course.js";
import { Picture } from "./picture.js";
import { followSight, unfollowSight } from "./sight.js";

const meta = (name) => Number(document.querySelector(`meta[name="${name}"]`).content);
const HALF_LIFE = meta("half-life-seconds"), LANDMARK = meta("landmark-seconds");
const TEMPLATE = document.getElementById("card-template");
const LINKS = [["twitter", "x", "X"], ["telegram", "telegram", "Telegram"], ["website", "globe", "Website"]];
const UNKNOWN = "–";
const PERIODS = ["1h", "24h", "6h", "5m"]; // of the change beside the market cap: the first known
const SIDES = "1h 5m 24h".split(" "); // of buys and sells: the first known
const WASH_FROM = 0.6; // of 0..1: from here on it is told
const YOUNG = 60_000; // milliseconds; a younger coin's course is what the boards tell
const LAUNCHPADS = { pumpfun: "pump.fun", launchlab: "LaunchLab", "meteora-dbc": "Meteora DBC", "raydium-cpmm": "Raydium", raydium: "Raydium", meteora: "Meteora" };
const SOL = "So11111111111111111111111111111111111111112";
const QUOTES = {
  EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v: "USDC",
  Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB: "USDT",
  USD1ttGY1N17NEEHLmELoaybftRBUSErhqYiQzvEmuB: "USD1",
};

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const dollars = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3, style: "currency", currency: "USD" });

export function ageText(since, now) {
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
}

/** SOL of trading that a score is worth now; the inverse of domain/scoring.py's with_trade. */
export function heat(score, now) {
  return score === null ? null : 2 ** Math.min(score - (now / 1000 - LANDMARK) / HALF_LIFE, 1000);
}

/** An http(s) address, or null for anything else that a hostile profile may hold. */
export function safeAddress(text) {
  try {
    const address = new URL(text);
    return ["https:", "http:"].includes(address.protocol) ? address.href : null;
  } catch {
    return null;
  }
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  svg.appendChild(document.createElementNS(svg.namespaceURI, "use")).setAttribute("href", `#icon-${name}`);
  return svg;
}

export class Card {
  constructor(item, board, actions) {
    this.element = TEMPLATE.content.firstElementChild.cloneNode(true);
    this.board = board;
    this.parts = Object.fromEntries(
      ["avatar", "initials", "launchpad", "symbol", "name", "quote", "wash", "age", "copy", "links", "cap b", "change", "pulse", "spark", "recent", "sides", "curve", "percent", "volume", "trades", "holders", "heat", "heat-cell", "watch"]
        .map((name) => [name, this.element.querySelector(`.${name}`)]),
    );
    this.mint = item.mint;
    this.parts.copy.querySelector("code").textContent = `${item.mint.slice(0, 4)}…${item.mint.slice(-4)}`;
    this.parts.copy.title = item.mint;
    this.parts.copy.setAttribute("aria-label", `Copy mint ${item.mint}`);
    this.parts.copy.onclick = () => this.copy();
    this.parts.watch.onclick = () => actions.watch(item.mint);
    this.parts.avatar.style.setProperty("--hue", [...item.mint].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 360, 7));
    this.picture = new Picture(this.parts.avatar, item.mint);
    this.course = courseOf(item.mint);
    this.drawn = 0; // version of the course that is drawn
    this.isSeen = false;
    this.show(item, Date.now());
    this.element.classList.add("arrived");
    followSight(this.element, (isSeen) => {
      this.isSeen = isSeen;
      this.look(Date.now());
    });
  }

  leave() {
    unfollowSight(this.element);
    this.isSeen = false;
    this.element.remove();
  }

  show(item, now) {
    const before = this.item;
    this.item = item;
    const symbol = (item.symbol ?? "").trim() || item.name?.trim() || item.mint.slice(0, 4);
    this.text("symbol", symbol);
    this.text("name", (item.name ?? "").trim() === symbol ? "" : (item.name ?? "").trim());
    this.text("initials", [...symbol.replace(/[^\p{L}\p{N}]/gu, "")].slice(0, 2).join("").toUpperCase() || "?");
    this.number("cap b", ...capOf(item), before && capOf(before)[1]);
    this.showOrigin(item);
    this.showTrading(item);
    this.course.add(item.priceUsd, now);
    if (before && (before.imageUrl !== item.imageUrl || before.logoURI !== item.logoURI)) this.picture.expect();
    this.showCurve(item);
    this.number("volume", ...volumeOf(item), before && volumeOf(before)[1]);
    this.number("trades", count(item.txCount24h), item.txCount24h, before?.txCount24h);
    this.number("holders", count(item.holderCount), item.holderCount, before?.holderCount);
    if (!before || LINKS.some(([key]) => before[key] !== item[key])) this.showLinks(item);
    this.tick(now);
  }

  /** What changes with time alone. */
  tick(now) {
    const since = this.board === "bonded" ? this.item.stateChangedAt ?? this.item.firstSeenAt : this.item.firstSeenAt;
    this.text("age", ageText(since, now));
    this.parts.age.dateTime = since;
    this.parts.age.classList.toggle("old", now - Date.parse(since) > 300_000);
    const sol = heat(this.item.hotScore, now);
    this.text("heat", sol === null ? UNKNOWN : sol >= 0.05 ? compact.format(sol) : "0");
    this.parts["heat-cell"].dataset.heat = sol === null || sol < 1 ? 0 : sol < 10 ? 1 : sol < 50 ? 2 : 3;
    this.look(now);
  }

  /** While in view: ask for the picture and the candles, and draw what has changed. */
  look(now) {
    if (!this.isSeen) return;
    this.picture.see(now);
    if (now - Date.parse(this.item.firstSeenAt) > YOUNG) askForCandles(this.course, () => this.isSeen);
    if (this.drawn === this.course.version) return;
    this.drawn = this.course.version;
    const drawing = drawCourse(this.course.points);
    if (!drawing) return;
    const { spark } = this.parts;
    spark.querySelector(".line").setAttribute("d", drawing.line);
    spark.querySelector(".area").setAttribute("d", drawing.area);
    spark.classList.toggle("falling", !drawing.isUp);
    spark.classList.add("drawn");
    this.parts.pulse.hidden = false;
  }

  showWatched(watched) {
    const name = this.parts.symbol.textContent;
    this.parts.watch.setAttribute("aria-pressed", watched);
    this.parts.watch.setAttribute("aria-label", watched ? `Stop watching ${name}` : `Watch ${name}`);
  }

  /** Where it was born, and what it is paired with if not with SOL. */
  showOrigin({ launchpad, quoteMint }) {
    const name = launchpad ? LAUNCHPADS[launchpad] ?? launchpad : "";
    if (this.parts.launchpad.title !== name) {
      this.parts.launchpad.hidden = !name;
      this.parts.launchpad.title = name;
      this.parts.launchpad.dataset.name = launchpad ?? "";
      this.text("launchpad", name.slice(0, 1).toUpperCase());
      this.parts.launchpad.setAttribute("aria-label", `Launched on ${name}`);
    }
    const quote = !quoteMint || quoteMint === SOL ? "" : QUOTES[quoteMint] ?? `${quoteMint.slice(0, 4)}…`;
    this.text("quote", quote);
    this.parts.quote.hidden = !quote;
  }

  showTrading(item) {
    const change = PERIODS.find((period) => isKnown(item[`priceChange${period}`]));
    this.showChange("change", item, change);
    this.showChange("recent", item, change !== "5m" && isKnown(item.priceChange5m) ? "5m" : undefined);
    const period = SIDES.find((each) => isKnown(item[`buys${each}`]) && isKnown(item[`sells${each}`]));
    this.showSides(period && item[`buys${period}`], period && item[`sells${period}`], period);
    const { pulse, wash } = this.parts, score = item.washScore ?? 0;
    if (period || isKnown(item.priceChange5m)) pulse.hidden = false;
    wash.hidden = score < WASH_FROM;
    if (!wash.hidden) wash.title = `Much of the trading seems to be done by few with themselves: wash score ${score.toFixed(2)} of 1`;
  }

  showChange(part, item, period) {
    const element = this.parts[part], percent = period ? item[`priceChange${period}`] : null;
    const direction = percent === null || Math.abs(percent) < 0.05 ? 0 : Math.sign(percent);
    const size = percent >= 1000 ? compact.format(percent) : percent?.toFixed(1).replace("-0.0", "0.0");
    const [figure, name] = element.children;
    setText(figure, percent === null ? "" : `${direction > 0 ? "+" : ""}${size}%`);
    setText(name, period ?? "");
    element.classList.toggle("up", direction > 0);
    element.classList.toggle("down", direction < 0);
  }

  showSides(buys, sells, period) {
    const { sides } = this.parts, [bought, bar, sold, name] = sides.children;
    sides.hidden = !period;
    if (!period) return;
    setText(bought, compact.format(buys));
    setText(sold, compact.format(sells));
    setText(name, period);
    bar.style.setProperty("--share", buys + sells ? buys / (buys + sells) : 0.5);
    const title = `${buys} buys and ${sells} sells in ${period}`;
    if (sides.title !== title) sides.title = title;
  }

  showCurve(item) {
    const { curve } = this.parts, progress = item.bondingCurveProgress ?? 0;
    curve.hidden = item.state === "bonded" || item.bondingCurveProgress === null;
    curve.style.setProperty("--progress", progress);
    curve.setAttribute("aria-label", `${progress} per cent of the way to graduation`);
    // Rounded down: 100 % is only ever a complete curve.
    this.text("percent", `${Math.floor(progress)}%`);
  }

  showLinks(item) {
    const links = LINKS.map(([key, name, label]) => [safeAddress(item[key]), name, label]).filter(([href]) => href);
    this.parts.links.replaceChildren(...links.map(([href, name, label]) => {
      const link = document.createElement("a");
      Object.assign(link, { href, target: "_blank", rel: "noopener noreferrer nofollow ugc", title: href });
      link.setAttribute("aria-label", label);
      link.append(icon(name));
      return link;
    }));
  }

  text(part, text) {
    setText(this.parts[part], text);
  }

  number(part, text, value, before) {
    const element = this.parts[part];
    if (element.textContent === text) return;
    element.textContent = text;
    if (before === undefined || before === null || value === null) return;
    element.classList.remove("rose", "fell");
    void element.offsetWidth; // restarts the animation
    element.classList.add(value > before ? "rose" : "fell");
  }

  async copy() {
    const { copy } = this.parts;
    try {
      await navigator.clipboard.writeText(this.mint);
    } catch {
      return void getSelection().selectAllChildren(copy); // not allowed: let the reader copy
    }
    copy.classList.add("done");
    copy.querySelector("use").setAttribute("href", "#icon-check");
    setTimeout(() => {
      copy.classList.remove("done");
      copy.querySelector("use").setAttribute("href", "#icon-copy");
    }, 1200);
  }
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const isKnown = (value) => value !== null && value !== undefined;
const count = (value) => (value === null ? UNKNOWN : compact.format(value));

function capOf(item) {
  if (item.marketCapUsd !== null) return [dollars.format(item.marketCapUsd), item.marketCapUsd];
  if (item.marketCapSol !== null) return [`◎${compact.format(item.marketCapSol)}`, item.marketCapSol];
  return [UNKNOWN, null];
}

function volumeOf(item) {
  if (item.volume24h !== null) return [dollars.format(item.volume24h), item.volume24h];
  if (item.volume24hSol !== null) return [`◎${compact.format(item.volume24hSol)}`, item.volume24hSol];
  return [UNKNOWN, null];
}
