// One WebSocket that comes back: subscribes to every board, resumes where it was, backs off.

import { BOARDS, fold } from "./board.js";

const SHORTEST_WAIT = 500, LONGEST_WAIT = 20_000; // milliseconds between attempts
// Milliseconds: silence after which the server is pinged, after which a ping without an answer is
// shown, and after which the socket is given up.
const PING_AFTER = 4_000, DOUBT_AFTER = 2_000, SILENCE = 10_000;
const CHECK_EVERY = 1_000;

export class Live {
  /**
   * `boards` maps a board to its Map of items; `onChange(board, mints or null for all)`.
   * `onState(state, detail)`: "connecting", "waiting" and "offline" (milliseconds until the next
   * attempt), "silent" (no answer since that time), "heard" (with the service's health).
   */
  constructor({ onChange, onState }) {
    this.boards = Object.fromEntries(Object.keys(BOARDS).map((board) => [board, null]));
    this.cursors = {};
    this.watched = new Set();
    this.onChange = onChange;
    this.onState = onState;
    this.attempts = 0;
    addEventListener("online", () => this.now());
    document.addEventListener("visibilitychange", () => document.hidden || this.now());
    setInterval(() => this.check(), CHECK_EVERY);
    this.connect();
  }

  connect() {
    clearTimeout(this.timer);
    this.timer = null;
    this.health = null;
    this.hasBoard = false;
    this.onState("connecting");
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    this.socket = socket;
    this.heardAt = performance.now();
    this.pingedAt = 0;
    socket.onopen = () => this.greet();
    socket.onmessage = (event) => this.hear(event.data);
    socket.onclose = () => socket === this.socket && this.wait();
  }

  greet() {
    this.say({ type: "health" });
    for (const board of Object.keys(BOARDS)) {
      this.say({ type: "subscribe", board, since: this.cursors[board] ?? null });
    }
    for (const mint of this.watched) this.say({ type: "watch", mint });
  }

  hear(text) {
    this.heardAt = performance.now();
    this.pingedAt = 0;
    const frame = JSON.parse(text);
    if (frame.type === "health") this.health = frame;
    if (frame.board) this.follow(frame);
    if (this.health && this.hasBoard) this.onState("heard", this.health);
  }

  follow(frame) {
    const { board, epoch, offset } = frame;
    this.attempts = 0;
    this.hasBoard = true;
    this.cursors[board] = { epoch, offset };
    if (frame.type === "snapshot") {
      this.boards[board] = new Map(frame.items.map((item) => [item.mint, item]));
      this.onChange(board, null);
    } else if (frame.type === "delta") {
      this.onChange(board, fold(this.boards[board], frame.changes));
    }
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  watch(mint, wanted) {
    this.watched[wanted ? "add" : "delete"](mint);
    this.say({ type: wanted ? "watch" : "unwatch", mint });
  }

  wait() {
    const longest = Math.min(SHORTEST_WAIT * 2 ** this.attempts++, LONGEST_WAIT);
    const milliseconds = longest * (0.5 + Math.random() / 2);
    this.onState(navigator.onLine ? "waiting" : "offline", milliseconds);
    this.timer = setTimeout(() => this.connect(), milliseconds);
  }

  /** Try at once: the network is back, or somebody looks again. */
  now() {
    if (this.timer) {
      this.attempts = 0;
      this.connect();
    }
  }

  check() {
    const now = performance.now();
    if (this.timer || this.socket.readyState === WebSocket.CLOSED) return;
    if (this.pingedAt && now - this.pingedAt > SILENCE) {
      // No close frame will be answered either: leave this socket behind.
      this.socket.onclose = this.socket.onmessage = null;
      this.socket.close();
      this.wait();
    } else if (this.pingedAt && now - this.pingedAt > DOUBT_AFTER) {
      if (this.hasBoard) this.onState("silent", Date.now() - (now - this.heardAt));
    } else if (!this.pingedAt && now - this.heardAt > PING_AFTER) {
      this.pingedAt = now;
      this.say({ type: "ping" });
    }
  }
}
