// One row of a column: a token's card, used again for another token when its own goes out of view.
// Whatever a token says of itself only ever becomes text.

import { askForCandles, courseOf, drawCourse } from "./course.js";
import { heat } from "./heat.js";
import { Picture } from "./picture.js";
import { quoteOf } from "./quotes.js";
import { change, compact, direction, dollars, duration, isKnown, money, percent, safeAddress, sol, symbolOf, UNKNOWN, venueWords } from "./token_words.js";

const TEMPLATE = document.getElementById("card-template");
const PARTS = "open name quote wash age copy change5m change1h cap flash curve percent avatar initials launchpad bought sold sides spark volume liquidity holders heat top10 dev mintable safe pulse watch".split(" ");
const LINKS = { twitter: "X", telegram: "Telegram", website: "Website" };
const WASH_FROM = 0.6; // of 0..1: from here on it is told
const HOLDERS_FROM = 30, DEVELOPER_FROM = 10; // per cent: shares that are much
const YOUNG = 60_000, OLD = 300_000; // milliseconds of age; a young coin's course is what the boards tell
const WINDOWS = ["1h", "5m", "24h"]; // whose figures a card tells: the first that is known
const FLASH = 700; // milliseconds that a change of the cap lights up; the next one comes after it
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Card {
  /** `actions.watch(mint)`; `isActive` cards are reached by Tab. */
  constructor(actions) {
    this.element = TEMPLATE.content.firstElementChild.cloneNode(true);
    this.parts = Object.fromEntries(PARTS.map((name) => [name, this.element.querySelector(`.${name}`)]));
    this.links = Object.keys(LINKS).map((key) => [key, this.element.querySelector(`.${key}`)]);
    this.controls = [...this.element.querySelectorAll("a, button")];
    this.shown = {}; // what stands in each part: nothing is written twice, and nothing is read
    this.flashedAt = 0;
    this.parts.copy.addEventListener("click", () => this.copy());
    this.parts.watch.addEventListener("click", () => actions.watch(this.mint));
  }

  /** Stand for a token from now on; `board` tells from when its age counts. */
  take(item, board, now) {
    this.mint = item.mint;
    this.board = board;
    this.item = null;
    this.element.dataset.mint = item.mint;
    this.set("href", item.mint, (mint) => { this.parts.open.href = `/token/${mint}`; });
    this.parts.avatar.style.setProperty("--hue", [...item.mint].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 360, 7));
    this.parts.copy.title = `Copy ${item.mint}`;
    this.parts.copy.setAttribute("aria-label", `Copy mint ${item.mint}`);
    this.picture?.leave();
    this.picture = new Picture(this.parts.avatar, item.mint);
    this.course = courseOf(item.mint);
    this.drawn = -1; // version of the course that is drawn
    this.show(item, now);
  }

  show(item, now) {
    const before = this.item;
    if (before === item) return;
    this.item = item;
    this.showNames(item);
    this.showCap(item, before, now);
    for (const window of ["5m", "1h"]) this.showChange(`change${window}`, item[`priceChange${window}`]);
    this.showSides(item);
    this.showCurve(item);
    const window = WINDOWS.find((each) => isKnown(item[`volume${each}`])) ?? "24h";
    this.text("volume", money(item[`volume${window}`], item[`volume${window}Sol`]));
    this.label("volume", window);
    this.text("liquidity", dollars(item.liquidityUsd));
    this.text("holders", compact(item.holderCount));
    this.showSafety(item);
    this.course.add(item.priceUsd, now);
    if (before && (before.imageUrl !== item.imageUrl || before.logoURI !== item.logoURI)) this.picture.expect();
    if (!before) this.tick(now);
  }

  /** What changes with time alone: age and heat; and what is drawn once a second, picture and course. */
  tick(now) {
    const { item } = this;
    const since = this.board === "bonded" ? item.stateChangedAt ?? item.firstSeenAt : item.firstSeenAt;
    this.text("age", duration((now - Date.parse(since)) / 1000));
    this.toggle("age", "young", now - Date.parse(since) < OLD);
    const traded = heat(item.hotScore, now);
    this.text("heat", traded === null ? UNKNOWN : traded >= 0.05 ? compact(traded) : "0");
    this.set("warmth", traded === null || traded < 1 ? 0 : traded < 10 ? 1 : traded < 50 ? 2 : 3, (warmth) => { this.parts.heat.dataset.heat = warmth; });
    this.picture.see(now);
    if (now - Date.parse(item.firstSeenAt) > YOUNG) askForCandles(this.course, () => this.element.isConnected && this.item === item);
    if (this.drawn !== this.course.version) this.drawCourse();
  }

  drawCourse() {
    this.drawn = this.course.version;
    const drawing = drawCourse(this.course.points);
    const { spark } = this.parts;
    spark.firstElementChild.setAttribute("d", drawing?.area ?? "");
    spark.lastElementChild.setAttribute("d", drawing?.line ?? "");
    if (drawing) this.toggle("spark", "falling", !drawing.isUp);
  }

  showNames(item) {
    const symbol = symbolOf(item), name = (item.name ?? "").trim();
    this.text("open", symbol);
    this.text("name", name === symbol ? "" : name);
    this.text("initials", [...symbol.replace(/[^\p{L}\p{N}]/gu, "")].slice(0, 2).join("").toUpperCase() || "?");
    const pad = item.launchpad ? venueWords(item.launchpad) : "";
    this.set("pad", pad, () => {
      const { launchpad } = this.parts;
      launchpad.hidden = !pad;
      launchpad.dataset.name = item.launchpad ?? "";
      launchpad.title = launchpad.ariaLabel = `Launched on ${pad}`;
      this.text("launchpad", pad.slice(0, 1).toUpperCase());
    });
    const quote = quoteOf(item);
    this.text("quote", quote);
    this.hide("quote", !quote);
    const wash = item.washScore ?? 0;
    this.hide("wash", wash < WASH_FROM);
    if (wash >= WASH_FROM) this.title("wash", `Much of the trading seems to be done by few with themselves: wash score ${wash.toFixed(2)} of 1`);
    for (const [key, link] of this.links) this.set(key, safeAddress(item[key]), (address) => {
      link.hidden = !address;
      link.href = address ?? "";
      link.title = address ?? "";
    });
  }

  showCap(item, before, now) {
    const unit = isKnown(item.marketCapUsd) ? "marketCapUsd" : "marketCapSol", value = item[unit], was = before?.[unit];
    if (!this.text("cap", money(item.marketCapUsd, item.marketCapSol)) || !isKnown(was) || !isKnown(value) || value === was) return;
    if (still.matches || now - this.flashedAt < FLASH) return;
    this.flashedAt = now;
    const { flash } = this.parts;
    this.toggle("flash", "fell", value < was);
    flash.classList.add("lit");
    flash.animate({ opacity: [0.3, 0] }, { duration: FLASH, easing: "ease-out" }).onfinish = () => flash.classList.remove("lit");
  }

  showChange(part, value) {
    this.text(part, change(value));
    this.set(`${part} direction`, direction(value), (way) => { this.parts[part].dataset.direction = way; });
    this.set(`${part} known`, isKnown(value), (known) => { this.parts[part].parentElement.hidden = !known; });
  }

  showSides(item) {
    const window = WINDOWS.find((each) => isKnown(item[`buys${each}`]) && isKnown(item[`sells${each}`]));
    this.hide("sides", !window);
    if (!window) return;
    const buys = item[`buys${window}`], sells = item[`sells${window}`];
    this.text("bought", compact(buys));
    this.text("sold", compact(sells));
    this.set("share", buys + sells ? Math.round((buys / (buys + sells)) * 100) / 100 : 0.5, (share) => this.parts.sides.style.setProperty("--share", share));
    this.title("sides", `${buys} buys and ${sells} sells in ${window}`);
    this.label("sides", window);
  }

  showCurve(item) {
    const isOnCurve = item.state !== "bonded" && isKnown(item.bondingCurveProgress);
    this.hide("curve", !isOnCurve);
    this.hide("percent", !isOnCurve);
    if (!isOnCurve) return;
    // Rounded down: 100 % is only ever a complete curve.
    const progress = Math.floor(item.bondingCurveProgress);
    this.text("percent", `${progress}%`);
    this.set("progress", progress, () => this.parts.curve.style.setProperty("--progress", progress / 100));
  }

  showSafety(item) {
    const { freezeRevoked, mintRenounced, topHoldersPercent: top, devBalancePercent: share, initialBuySol: bought } = item;
    this.text("top10", percent(top));
    this.toggle("top10", "much", top > HOLDERS_FROM);
    this.text("dev", isKnown(share) ? percent(share) : sol(bought));
    this.toggle("dev", "much", share > DEVELOPER_FROM);
    this.title("dev", `The developer holds ${isKnown(share) ? percent(share) : "an unknown share"}${isKnown(bought) ? `, and bought for ${sol(bought)} at birth` : ""}`);
    const risks = [mintRenounced === false && "more can be minted", freezeRevoked === false && "accounts can be frozen"].filter(Boolean);
    this.hide("mintable", !risks.length);
    this.text("mintable", risks.length > 1 ? "mint+freeze" : mintRenounced === false ? "mintable" : "freezable");
    if (risks.length) this.title("mintable", `Beware: ${risks.join(", and ")}`);
    this.hide("safe", !(mintRenounced && freezeRevoked));
  }

  showWatched(watched) {
    this.set("watched", watched, () => this.parts.watch.setAttribute("aria-pressed", watched));
    this.set("watch label", `${watched ? "Stop watching" : "Watch"} ${this.shown.open}`, (label) => this.parts.watch.setAttribute("aria-label", label));
  }

  /** Where it stands; the place tells readers of the screen, too. */
  place(position, all, top) {
    this.set("top of row", top, () => { this.element.style.translate = `0 ${top}px`; });
    this.set("position", position, () => this.element.setAttribute("aria-posinset", position + 1));
    this.set("all", all, () => this.element.setAttribute("aria-setsize", all));
  }

  /** One card of a column is reached by Tab, with all that is on it. */
  setActive(isActive) {
    this.set("active", isActive, () => {
      this.element.tabIndex = isActive ? 0 : -1;
      for (const control of this.controls) control.tabIndex = isActive ? 0 : -1;
    });
  }

  set(name, value, write) {
    if (this.shown[name] === value) return false;
    this.shown[name] = value;
    write(value);
    return true;
  }

  text(part, text) {
    return this.set(part, text, () => { this.parts[part].textContent = text; });
  }

  label(part, text) {
    this.set(`${part} label`, text, () => { this.parts[part].dataset.window = text; });
  }

  title(part, text) {
    this.set(`${part} title`, text, () => { this.parts[part].title = text; });
  }

  hide(part, hidden) {
    this.set(`${part} hidden`, hidden, () => { this.parts[part].hidden = hidden; });
  }

  toggle(part, name, isOn) {
    this.set(`${part} ${name}`, isOn, () => this.parts[part].classList.toggle(name, isOn));
  }

  async copy() {
    const { copy } = this.parts;
    try {
      await navigator.clipboard.writeText(this.mint);
    } catch {
      return; // not allowed: the title tells the mint
    }
    copy.classList.add("done");
    setTimeout(() => copy.classList.remove("done"), 1200);
  }
}
