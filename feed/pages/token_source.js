// What is told of one token, live: its item, its trades and its candles, over one WebSocket that comes back.

import { fold } from "./board.js";
import { badgeOf } from "./health.js";

const CANDLES = 500; // of the past, asked for once a connection and length
const SHORTEST_WAIT = 500, LONGEST_WAIT = 20_000; // milliseconds between attempts
// Milliseconds: after which the service is asked for a sign of life, what is shown is stale, and the socket is given up.
const PING_AFTER = 1_000, STALE_AFTER = 3_000, SILENCE = 10_000;
const CHECK_EVERY = 500;
// What large messages are asked to come as: binary, where this browser can inflate them.
const ENCODING = "DecompressionStream" in globalThis ? "deflate" : null;

const inflate = (blob) => new Response(blob.stream().pipeThrough(new DecompressionStream("deflate"))).text();

export class TokenSource {
  /**
   * Calls `onItem(item or null)`, `onTrades(trades, newest first; isWhole)`, `onCandles({candles, currency,
   * isWhole})` and `onState({state, text, title})`.
   */
  constructor(mint, tell) {
    Object.assign(this, { mint, tell, interval: "1m", items: new Map(), attempts: 0, health: null, taking: Promise.resolve() });
    this.onOnline = () => this.retryAt && this.connect();
    addEventListener("online", this.onOnline);
    this.checking = setInterval(() => this.check(), CHECK_EVERY);
    this.connect();
  }

  close() {
    this.isClosed = true;
    clearInterval(this.checking);
    clearTimeout(this.timer);
    removeEventListener("online", this.onOnline);
    this.leave();
  }

  /** Candles of another length: all of them are told anew. */
  setInterval(interval) {
    this.interval = interval;
    this.askForCandles();
  }

  connect() {
    clearTimeout(this.timer);
    this.retryAt = null;
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    Object.assign(this, { socket, heardAt: performance.now(), pingedAt: 0 });
    socket.onopen = () => {
      this.say({ type: "health", heartbeat: true });
      this.say({ type: "subscribe", token: this.mint, encoding: ENCODING });
    };
    socket.onmessage = ({ data }) => this.hear(socket, data);
    socket.onclose = () => this.wait();
    this.showState();
  }

  leave() {
    this.socket.onclose = this.socket.onmessage = this.socket.onopen = null;
    this.socket.close();
  }

  wait() {
    const longest = Math.min(SHORTEST_WAIT * 2 ** this.attempts++, LONGEST_WAIT), milliseconds = longest * (0.5 + Math.random() / 2);
    this.health = null;
    this.retryAt = Date.now() + milliseconds;
    this.timer = setTimeout(() => this.connect(), milliseconds);
    this.showState();
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** Messages are taken in as they came, although some of them are inflated first. */
  hear(socket, data) {
    this.heardAt = performance.now();
    this.pingedAt = 0;
    this.taking = this.taking.then(async () => {
      const message = JSON.parse(typeof data === "string" ? data : await inflate(data));
      if (socket === this.socket && !this.isClosed) this.take(message);
    }).catch((error) => {
      console.error(error);
      socket.close();
    });
  }

  take(message) {
    const { type } = message;
    if (type === "health") this.health = message;
    else if (type === "snapshot") this.begin(message.items);
    else if (type === "delta") this.change(message.changes);
    else if (type === "trades") this.tell.onTrades(message.trades, message.whole);
    else if (type === "candles") this.tell.onCandles({ candles: message.candles[this.interval], currency: message.currency, isWhole: false });
    this.showState();
  }

  begin(items) {
    this.attempts = 0;
    this.items = new Map(items.map((item) => [item.mint, item]));
    this.tell.onItem(items[0] ?? null);
    this.askForCandles();
  }

  change(changes) {
    const wasKnown = this.items.size > 0;
    fold(this.items, changes);
    const item = this.items.get(this.mint) ?? null;
    this.tell.onItem(item);
    if (item && !wasKnown) this.askForCandles();
  }

  /** All candles of the chosen length; what comes live meanwhile is among them, or comes again. */
  async askForCandles() {
    const { interval, mint } = this;
    if (!this.items.size) return;
    try {
      const answer = await fetch(`/api/tokens/${mint}/candles?interval=${interval}&limit=${CANDLES}`);
      if (!answer.ok) throw new Error(`the service answers ${answer.status}`);
      const told = await answer.json();
      if (!this.isClosed && interval === this.interval) this.tell.onCandles({ ...told, isWhole: true });
    } catch (error) {
      if (!this.isClosed && interval === this.interval) this.tell.onCandles({ candles: [], currency: null, isWhole: false, problem: error.message });
    }
  }

  check() {
    if (this.retryAt || this.socket.readyState === WebSocket.CLOSED) return this.showState();
    const silence = performance.now() - this.heardAt;
    if (silence > SILENCE) {
      this.leave(); // no close frame will be answered either
      this.wait();
    } else if (silence > PING_AFTER && !this.pingedAt) {
      this.pingedAt = performance.now();
      this.say({ type: "ping" });
    }
    this.showState();
  }

  showState() {
    const silence = performance.now() - this.heardAt;
    if (this.retryAt) {
      const title = `Next attempt in ${Math.max(0, Math.ceil((this.retryAt - Date.now()) / 1000))} s`;
      this.tell.onState(navigator.onLine ? { state: "waiting", text: "Reconnecting", title } : { state: "offline", text: "Offline: no network", title });
    } else if (!this.health) {
      this.tell.onState({ state: "connecting", text: "Connecting", title: "" });
    } else if (silence > STALE_AFTER) {
      this.tell.onState({ state: "waiting", text: "No sign of life", title: `for ${Math.floor(silence / 1000)} s` });
    } else {
      this.tell.onState(badgeOf(this.health));
    }
  }
}
