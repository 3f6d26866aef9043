// One WebSocket that comes back: subscribes to every board, resumes where it was, backs off.

import { BOARDS, fold } from "./board.js";

const SHORTEST_WAIT = 500, LONGEST_WAIT = 20_000; // milliseconds between attempts
const PING_EVERY = 25_000, SILENCE = 12_000; // a server that says nothing for so long is gone

export class Live {
  /** `boards` maps a board to its Map of items; `onChange(board, mints or null for all)`. */
  constructor({ onChange, onState }) {
    this.boards = Object.fromEntries(Object.keys(BOARDS).map((board) => [board, null]));
    this.cursors = {};
    this.watched = new Set();
    this.onChange = onChange;
    this.onState = onState;
    this.attempts = 0;
    addEventListener("online", () => this.now());
    document.addEventListener("visibilitychange", () => document.hidden || this.now());
    setInterval(() => this.check(), 5_000);
    this.connect();
  }

  connect() {
    clearTimeout(this.timer);
    this.timer = null;
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
    for (const board of Object.keys(BOARDS)) {
      this.say({ type: "subscribe", board, since: this.cursors[board] ?? null });
    }
    for (const mint of this.watched) this.say({ type: "watch", mint });
  }

  hear(text) {
    this.heardAt = performance.now();
    this.pingedAt = 0;
    const frame = JSON.parse(text);
    if (frame.board) this.follow(frame);
  }

  follow(frame) {
    const { board, epoch, offset } = frame;
    this.attempts = 0;
    this.onState("live");
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
    } else if (!this.pingedAt && now - this.heardAt > PING_EVERY) {
      this.pingedAt = now;
      this.say({ type: "ping" });
    }
  }
}
