// One WebSocket that comes back: follows boards and views, resumes where it was, backs off.

import { fold } from "./board.js";

const SHORTEST_WAIT = 500, LONGEST_WAIT = 20_000; // milliseconds between attempts
// Milliseconds without a message, the service's heartbeat of each second included: after which what
// is shown is told to be stale, and after which the socket is given up.
const STALE_AFTER = 3_000, SILENCE = 10_000;
const CHECK_EVERY = 500;
const NOT_ABOUT_VIEWS = new Set(["bad_mint", "unknown_mint", "too_many_watches", "unknown_type"]);
const MOST_ASKED = 20; // views asked for and not answered yet
// What large messages are asked to come as: binary, where this browser can inflate them.
const ENCODING = "DecompressionStream" in globalThis ? "deflate" : null;

export class Live {
  /**
   * `onChange(key, mints or null for all)`: what is followed under a key has changed.
   * `onRefused(key, message)`: the service does not serve this view.
   * `onState(state, detail)`: "connecting", "waiting" and "offline" (until when, in ms since 1970),
   * "silent" (since when), "heard" (the service's health).
   */
  constructor({ onChange, onRefused, onState }) {
    this.followed = new Map(); // key -> {request, board, id}: the service's name for it, ours for a view
    this.boards = new Map(); // the service's name -> {items, cursor}
    this.asked = []; // ids of views that the service has not answered yet, in order
    this.ids = 0;
    this.watched = new Set();
    Object.assign(this, { onChange, onRefused, onState });
    this.attempts = 0;
    this.taking = Promise.resolve(); // of the messages so far
    addEventListener("online", () => this.now());
    document.addEventListener("visibilitychange", () => document.hidden || this.now());
    setInterval(() => this.check(), CHECK_EVERY);
    this.connect();
  }

  /** The Map of items under a key; null while nothing is known. */
  itemsOf(key) {
    return this.boards.get(this.followed.get(key)?.board)?.items ?? null;
  }

  /** Follow `{board}` or `{view}` under a key, instead of what was followed under it. */
  follow(key, request) {
    if (JSON.stringify(this.followed.get(key)?.request) === JSON.stringify(request)) return;
    this.unfollow(key);
    this.followed.set(key, { request, board: request.board ?? null, id: `${key}-${this.ids++}` });
    this.subscribe(key);
  }

  unfollow(key) {
    const board = this.followed.get(key)?.board;
    this.followed.delete(key);
    if (!board || this.isFollowed(board)) return;
    this.boards.delete(board);
    this.say({ type: "unsubscribe", board });
  }

  subscribe(key) {
    const { request, board, id } = this.followed.get(key);
    const since = this.boards.get(board)?.cursor ?? null;
    if (request.view) {
      this.asked.push(id);
      if (this.asked.length > MOST_ASKED) this.asked.shift();
    }
    this.say({ type: "subscribe", ...request, ...(request.view ? { id } : {}), since, encoding: ENCODING });
  }

  connect() {
    clearTimeout(this.timer);
    this.timer = null;
    this.health = null;
    this.hasBoard = false;
    this.isSilent = false;
    this.onState("connecting");
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    this.socket = socket;
    this.heardAt = performance.now();
    socket.onopen = () => this.greet();
    socket.onmessage = (event) => this.hear(socket, event.data);
    socket.onclose = () => socket === this.socket && this.wait();
  }

  greet() {
    this.asked = [];
    this.say({ type: "health", heartbeat: true });
    for (const key of this.followed.keys()) this.subscribe(key);
    for (const mint of this.watched) this.say({ type: "watch", mint });
  }

  /** Take in a message: text is JSON, and binary is JSON deflated. One after the other, as sent. */
  hear(socket, data) {
    this.heardAt = performance.now();
    this.taking = this.taking.then(async () => {
      const text = typeof data === "string" ? data : await inflate(data);
      if (socket === this.socket) this.take(JSON.parse(text));
    }).catch((error) => {
      console.error(error);
      socket.close();
    });
  }

  take(frame) {
    if (frame.type === "health") this.health = frame;
    else if (frame.type === "view") this.nameView(frame);
    else if (frame.type === "error") this.hearError(frame);
    else if (frame.board) this.takeBoard(frame);
    if ((frame.type === "health" || this.isSilent || frame.board) && this.health && this.hasBoard) {
      this.isSilent = false;
      this.onState("heard", this.health);
    }
  }

  keyOf(id) {
    return [...this.followed].find(([, followed]) => followed.id === id)?.[0];
  }

  /** The service has said under which name a view's messages come. */
  nameView({ id, board }) {
    this.asked = this.asked.filter((asked) => asked !== id);
    const key = this.keyOf(id);
    if (key === undefined) return void (this.isFollowed(board) || this.say({ type: "unsubscribe", board }));
    this.followed.get(key).board = board;
    if (this.boards.has(board)) this.onChange(key, null);
  }

  isFollowed(board) {
    return [...this.followed.values()].some((followed) => followed.board === board);
  }

  hearError({ id, code, message }) {
    const refused = id ?? (NOT_ABOUT_VIEWS.has(code) ? undefined : this.asked[0]);
    this.asked = this.asked.filter((asked) => asked !== refused);
    const key = this.keyOf(refused);
    if (key !== undefined) this.onRefused(key, message);
  }

  takeBoard({ type, board, epoch, offset, items, changes }) {
    this.attempts = 0;
    this.hasBoard = true;
    const keys = [...this.followed].filter(([, followed]) => followed.board === board).map(([key]) => key);
    if (!keys.length) return;
    const known = this.boards.get(board) ?? { items: new Map() };
    this.boards.set(board, known);
    known.cursor = { epoch, offset };
    let mints = null;
    if (type === "snapshot") known.items = new Map(items.map((item) => [item.mint, item]));
    else if (type === "delta") mints = fold(known.items, changes);
    else return;
    for (const key of keys) this.onChange(key, mints);
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
    this.onState(navigator.onLine ? "waiting" : "offline", Date.now() + milliseconds);
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
    const silence = performance.now() - this.heardAt;
    if (this.timer || this.socket.readyState === WebSocket.CLOSED) return;
    if (silence > SILENCE) {
      // No close frame will be answered either: leave this socket behind.
      this.socket.onclose = this.socket.onmessage = null;
      this.socket.close();
      this.wait();
    } else if (silence > STALE_AFTER && this.hasBoard) {
      this.isSilent = true;
      this.onState("silent", Date.now() - silence);
    }
  }
}

function inflate(blob) {
  return new Response(blob.stream().pipeThrough(new DecompressionStream("deflate"))).text();
}
