// Candles and volume of one token, by TradingView Lightweight Charts.

import { CandlestickSeries, ColorType, createChart, CrosshairMode, HistogramSeries } from "./vendor/lightweight_charts.js";
import { compact, dollars, price, sol } from "./token_words.js";

const VOLUME_SHARE = 0.22; // of the chart's height
const two = (number) => String(number).padStart(2, "0");

const colour = (element, name) => getComputedStyle(element).getPropertyValue(name).trim();
/** What `light-dark()` and names come to: canvases know neither. */
function resolve(element, name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  probe.hidden = true;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color || colour(element, name);
}

const translucent = (rgb, share) => rgb.replace(/^rgb\((.*)\)$/, (_, parts) => `rgba(${parts}, ${share})`);

export class TokenChart {
  constructor(element) {
    this.element = element;
    this.candles = new Map(); // by time
    this.supply = null; // whole tokens; null: prices are shown, and no market cap
    this.currency = "usd";
    this.chart = createChart(element, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11, background: { type: ColorType.Solid, color: "transparent" } },
      crosshair: { mode: CrosshairMode.Normal },
      localization: { timeFormatter: (time) => new Date(time * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) },
      timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 4, minBarSpacing: 2, tickMarkFormatter: (time, kind) => tickText(time, kind) },
      rightPriceScale: { scaleMargins: { top: 0.08, bottom: VOLUME_SHARE + 0.04 } },
    });
    this.prices = this.chart.addSeries(CandlestickSeries, { priceFormat: { type: "custom", minMove: 1e-12, formatter: (value) => this.write(value) } });
    this.volumes = this.chart.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 1 - VOLUME_SHARE, bottom: 0 } });
    this.chart.subscribeCrosshairMove(({ time }) => this.onPoint?.(this.candles.get(time) ?? null));
    this.onTheme = () => this.colourAll();
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.onTheme);
    this.themes = new MutationObserver(this.onTheme);
    this.themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    this.colourAll();
  }

  close() {
    this.scheme.removeEventListener("change", this.onTheme);
    this.themes.disconnect();
    this.chart.remove();
  }

  /** A price, or the market cap that goes with it. */
  write(value) {
    if (value < 0) return ""; // the scale's margin: there is nothing below zero
    if (this.supply === null) return price(value, this.currency);
    return this.currency === "sol" ? sol(value) : dollars(value);
  }

  /** Show market caps for a supply of whole tokens, or prices for null. */
  setSupply(supply) {
    if (supply === this.supply) return;
    this.supply = supply;
    this.drawAll();
  }

  /** Take candles in: all of them, or the newest, each in the place of what is there of its time. */
  take({ candles, currency, isWhole }) {
    const isOther = isWhole || (currency && currency !== this.currency);
    if (isWhole) this.candles.clear();
    if (currency) this.currency = currency;
    const newest = Math.max(...this.candles.keys());
    for (const candle of candles) this.candles.set(candle.time, candle);
    if (isOther) this.drawAll();
    else for (const candle of candles) if (candle.time >= newest) this.draw(candle);
    if (isWhole) this.chart.timeScale().setVisibleLogicalRange({ from: this.candles.size - 60, to: this.candles.size + 4 });
  }

  get newest() {
    return this.candles.get(Math.max(...this.candles.keys())) ?? null;
  }

  draw(candle) {
    this.prices.update(this.priced(candle));
    this.volumes.update(this.volumed(candle));
  }

  drawAll() {
    const candles = [...this.candles.values()].sort((a, b) => a.time - b.time);
    this.prices.setData(candles.map((candle) => this.priced(candle)));
    this.volumes.setData(candles.map((candle) => this.volumed(candle)));
  }

  priced({ time, open, high, low, close }) {
    const factor = this.supply ?? 1;
    return { time, open: open * factor, high: high * factor, low: low * factor, close: close * factor };
  }

  volumed({ time, open, close, volume, volumeSol }) {
    return { time, value: this.currency === "sol" ? volumeSol : volume, color: translucent(close >= open ? this.up : this.down, 0.45) };
  }

  colourAll() {
    const [up, down, text, line] = ["--up", "--down", "--soft", "--line"].map((name) => resolve(this.element, name));
    Object.assign(this, { up, down });
    this.chart.applyOptions({
      layout: { textColor: text },
      grid: { vertLines: { color: translucent(line, 0.5) }, horzLines: { color: translucent(line, 0.5) } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line },
    });
    this.prices.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false });
    this.drawAll();
  }
}

function tickText(time, kind) {
  const at = new Date(time * 1000);
  // Kinds, as the library counts them: 0 year, 1 month, 2 day, 3 time, 4 time with seconds.
  if (kind <= 2) return at.toLocaleDateString([], kind === 0 ? { year: "numeric" } : { month: "short", day: "numeric" });
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** What a candle says, in words. */
export function candleWords(candle, chart) {
  if (!candle) return "";
  const factor = chart.supply ?? 1, at = new Date(candle.time * 1000);
  const figure = (value) => chart.write(value * factor);
  return `${two(at.getHours())}:${two(at.getMinutes())}  O ${figure(candle.open)}  H ${figure(candle.high)}  L ${figure(candle.low)}  C ${figure(candle.close)}  ` +
    `Vol ${chart.currency === "sol" ? sol(candle.volumeSol) : dollars(candle.volume)}  ${compact(candle.buys)} buys, ${compact(candle.sells)} sells`;
}
