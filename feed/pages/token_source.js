// What is told of one token, live: its item, its trades and its candles.

import { Connection } from "./connection.js";
import { openClient } from "./live.js";

const CANDLES = 500; // of the past, asked for once a connection and length
const KEY = "token";

export class TokenSource {
  /**
   * Calls `onItem(item or null)`, `onTrades(trades, newest first; isWhole)`, `onCandles({candles, currency,
   * isWhole})` and `onState(badge)` of connection.js.
   */
  constructor(mint, tell) {
    Object.assign(this, { mint, tell, interval: "1m", item: null });
    this.connection = new Connection(tell.onState);
    this.client = openClient({
      onState: (...state) => this.connection.show(...state),
      onChange: (_, changed) => this.take(changed === null),
      onTrades: ({ trades, whole }) => tell.onTrades(trades, whole),
      onCandles: ({ candles, currency }) => tell.onCandles({ candles: candles[this.interval], currency, isWhole: false }),
    });
    this.client.follow(KEY, { token: mint });
    this.ticking = setInterval(() => this.connection.tick(), 1000);
  }

  close() {
    this.isClosed = true;
    clearInterval(this.ticking);
    this.client.end();
  }

  /** Candles of another length: all of them are told anew. */
  setInterval(interval) {
    this.interval = interval;
    this.askForCandles();
  }

  take(isWhole) {
    const wasKnown = this.item !== null;
    this.item = this.client.itemsOf(KEY).get(this.mint) ?? null;
    this.tell.onItem(this.item);
    if (isWhole || !wasKnown) this.askForCandles();
  }

  /** All candles of the chosen length; what comes live meanwhile is among them, or comes again. */
  async askForCandles() {
    const { interval, mint } = this;
    if (!this.item) return;
    const isWanted = () => !this.isClosed && interval === this.interval;
    try {
      const answer = await fetch(`/api/tokens/${mint}/candles?interval=${interval}&limit=${CANDLES}`);
      if (!answer.ok) throw new Error(`the service answers ${answer.status}`);
      const told = await answer.json();
      if (isWanted()) this.tell.onCandles({ ...told, isWhole: true });
    } catch (error) {
      if (isWanted()) this.tell.onCandles({ candles: [], currency: null, isWhole: false, problem: error.message });
    }
  }
}
