// Follow token-discovery's live boards, over every break of the connection.
//
//   for await (const { board, items } of follow("http://localhost:8080", { boards: ["new"] })) {
//     console.log(board, items.size);
//   }
//
// The service's own pages are written on `Client`, with this very file. No dependency: browsers and
// Node 22 have WebSocket and DecompressionStream; Node 20 has the first with --experimental-websocket.

const SHORTEST_WAIT = 500, LONGEST_WAIT = 20_000; // milliseconds between two attempts
const CHECK_EVERY = 500;
const CONNECT_WITHIN = 5_000; // Node 20 does not tell of a connection that ends before its handshake
// Milliseconds of silence after which the service is pinged, what is held is told to be stale, and
// the socket is given up; the service's heartbeat comes every second.
const WITH_HEARTBEAT = { ping: 2_000, stale: 3_000, lost: 10_000 };
const WITHOUT = { ping: 10_000, stale: 15_000, lost: 20_000 };

export const BOARDS = ["new", "graduating", "bonded", "hot"];

/** By which key an order sorts, a board's or a view's: greatest first, null last, equal values by mint. */
export const SORT_KEYS = {
  new: "firstSeenAt",
  graduating: "bondingCurveProgress",
  bonded: "stateChangedAt",
  hot: "hotScore",
  volume: "volume24h",
  marketcap: "marketCapUsd",
  recent: "lastTradeTs",
  watched: "watcherCount",
  alphabetical: "symbol", // or the name where that is empty, in lower case, least first
};

/** Merge changes into a Map of items by mint; the mints that changed. No item is changed in place. */
export function fold(items, changes) {
  const changed = new Set();
  for (const change of changes) {
    changed.add(change.mint);
    if (change.removed) items.delete(change.mint);
    else items.set(change.mint, { ...items.get(change.mint), ...change });
  }
  return changed;
}

const byMint = (a, b) => (a.mint < b.mint ? -1 : 1);

function byGreatest(key, a, b) {
  const left = a[key], right = b[key];
  if (left === right) return byMint(a, b);
  if (left === null || left === undefined) return right === null || right === undefined ? byMint(a, b) : 1;
  if (right === null || right === undefined) return -1;
  return left > right ? -1 : 1;
}

const nameOf = (item) => (item.symbol || item.name || "\u{10ffff}").toLowerCase();

function byName(a, b) {
  const left = nameOf(a), right = nameOf(b);
  return left === right ? byMint(a, b) : left < right ? -1 : 1;
}

/** Items in the order of that name: of a board, or of a view's `sort`. */
export function sortItems(items, order) {
  if (!Object.hasOwn(SORT_KEYS, order)) throw new RangeError(`an order is one of ${Object.keys(SORT_KEYS).join(", ")}`);
  return [...items].sort(order === "alphabetical" ? byName : byGreatest.bind(null, SORT_KEYS[order]));
}

/** The service does not take what was asked for; `code` is of docs/API.md. */
export class FeedRefused extends Error {
  constructor({ code, message }) {
    super(`${code}: ${message}`);
    this.name = "FeedRefused";
    this.code = code;
    this.reason = message;
  }
}

/**
 * One connection that comes back. What is followed under a key of the caller's is folded as it comes,
 * asked for again from where it was after a break, and told of by the callbacks of `index.d.ts`.
 */
export class Client {
  #address;
  #tell;
  #WebSocket;
  #patience;
  #hasHeartbeat;
  #followed = new Map(); // by the caller's key: { request, board, id }
  #boards = new Map(); // by the service's name: { items, since }, a Map by mint as of a cursor
  #watched = new Set();
  #ids = 0;
  #attempts = 0;
  #socket = null;
  #timer = null; // of the next attempt
  #checking;
  #taking = Promise.resolve(); // of the messages so far
  #heardAt = 0;
  #isPinged = false;
  #health = null;
  #isAnswered = false;
  #state = null;
  #hasEnded = false;

  constructor(url, { heartbeat = false, signal, WebSocket = globalThis.WebSocket, ...tell } = {}) {
    if (!WebSocket) throw new TypeError("there is no WebSocket here; give one as an option");
    const address = new URL(url);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.pathname = `${address.pathname.replace(/\/$/, "")}/ws`;
    this.#address = address.href;
    this.#WebSocket = WebSocket;
    this.#hasHeartbeat = heartbeat;
    this.#patience = heartbeat ? WITH_HEARTBEAT : WITHOUT;
    this.#tell = tell;
    signal?.addEventListener("abort", () => this.end());
    if (signal?.aborted) return void (this.#hasEnded = true);
    this.#checking = setInterval(() => this.#check(), CHECK_EVERY);
    // Not before the caller has this object, and has said what to follow.
    queueMicrotask(() => this.#hasEnded || this.#connect());
  }

  // What the caller wants.

  /** The Map of items under a key, which later messages change; null while nothing is known. */
  itemsOf(key) {
    return this.#boards.get(this.#followed.get(key)?.board)?.items ?? null;
  }

  /** The epoch and offset of what is held under a key; null while nothing is. */
  cursorOf(key) {
    return this.#boards.get(this.#followed.get(key)?.board)?.since ?? null;
  }

  /** Follow `{board}`, `{view}` or `{token}` under a key, instead of what was followed under it. */
  follow(key, request) {
    if (JSON.stringify(this.#followed.get(key)?.request) === JSON.stringify(request)) return;
    this.unfollow(key);
    const board = request.token ? `token:${request.token}` : request.board ?? null;
    this.#followed.set(key, { request, board, id: String(this.#ids++) });
    this.#subscribe(key);
  }

  unfollow(key) {
    const board = this.#followed.get(key)?.board;
    this.#followed.delete(key);
    if (!board || this.#isFollowed(board)) return;
    this.#boards.delete(board);
    this.#say({ type: "unsubscribe", board });
  }

  /** Count as a watcher of a token, or no more, as long as this client lives. */
  watch(mint, isWatched = true) {
    this.#watched[isWatched ? "add" : "delete"](mint);
    this.#say({ type: isWatched ? "watch" : "unwatch", mint });
  }

  /** Try at once where the next attempt is waited for: the network is back, or somebody looks. */
  reconnect() {
    if (this.#timer === null) return;
    this.#attempts = 0;
    this.#connect();
  }

  end() {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearInterval(this.#checking);
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#leave();
    this.#tell.onEnd?.();
  }

  // The connection.

  #connect() {
    clearTimeout(this.#timer);
    this.#timer = this.#health = null;
    this.#isAnswered = this.#isPinged = false;
    this.#setState("connecting");
    const socket = new this.#WebSocket(this.#address);
    this.#socket = socket;
    socket.binaryType = "blob";
    this.#heardAt = performance.now();
    socket.onopen = () => socket === this.#socket && this.#greet();
    socket.onmessage = ({ data }) => this.#hear(socket, data);
    socket.onclose = () => socket === this.#socket && this.#wait();
    socket.onerror = () => {}; // a close follows
  }

  #greet() {
    if (this.#hasHeartbeat) this.#say({ type: "health", heartbeat: true });
    for (const key of this.#followed.keys()) this.#subscribe(key);
    for (const mint of this.#watched) this.#say({ type: "watch", mint });
  }

  #subscribe(key) {
    const { request, board, id } = this.#followed.get(key);
    const since = this.#boards.get(board)?.since ?? null;
    const encoding = "DecompressionStream" in globalThis ? "deflate" : null;
    this.#say({ type: "subscribe", ...request, id, since, encoding });
  }

  #say(message) {
    if (this.#socket?.readyState === this.#WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Leave the socket behind: no close frame may ever be answered. */
  #leave() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #wait() {
    this.#leave();
    const longest = Math.min(SHORTEST_WAIT * 2 ** this.#attempts, LONGEST_WAIT);
    this.#attempts = Math.min(this.#attempts + 1, 16);
    const milliseconds = longest * (0.5 + Math.random() / 2); // not all at once
    this.#timer = setTimeout(() => this.#connect(), milliseconds);
    this.#setState("waiting", Date.now() + milliseconds);
  }

  #check() {
    if (!this.#socket) return; // between two attempts
    const silence = performance.now() - this.#heardAt, { ping, stale, lost } = this.#patience;
    const isOpen = this.#socket.readyState === this.#WebSocket.OPEN;
    if (silence > (isOpen ? lost : Math.min(CONNECT_WITHIN, lost))) return this.#wait();
    if (!isOpen) return;
    if (silence > ping && !this.#isPinged) {
      this.#isPinged = true;
      this.#say({ type: "ping" });
    }
    if (silence > stale && this.#state === "live") this.#setState("silent", Date.now() - silence);
  }

  #setState(state, detail = null) {
    this.#state = state;
    this.#tell.onState?.(state, detail);
  }

  // What the service says.

  /** Text is JSON, and binary is the same JSON deflated; one after the other, as they came. */
  #hear(socket, data) {
    if (socket !== this.#socket) return;
    this.#heardAt = performance.now();
    this.#isPinged = false;
    this.#taking = this.#taking.then(async () => {
      const text = typeof data === "string" ? data : await inflate(data);
      if (socket === this.#socket) this.#take(JSON.parse(text));
    }).catch((error) => {
      console.error(error);
      socket.close(); // what cannot be read is asked for again, from where it was
    });
  }

  #take(message) {
    if (message.type === "health") this.#health = message;
    else if (message.type === "view") this.#nameView(message);
    else if (message.type === "error") this.#hearError(message);
    else if (message.type === "trades") this.#tell.onTrades?.(message);
    else if (message.type === "candles") this.#tell.onCandles?.(message);
    else if (message.board !== undefined) this.#takeBoard(message);
    const isLive = (this.#isAnswered || !this.#followed.size) && (this.#health || !this.#hasHeartbeat);
    if (isLive && (this.#state !== "live" || message.type === "health")) this.#setState("live", this.#health);
  }

  #keysOf(board) {
    return [...this.#followed].filter(([, followed]) => followed.board === board).map(([key]) => key);
  }

  #isFollowed(board) {
    return this.#keysOf(board).length > 0;
  }

  #keyOf(id) {
    return [...this.#followed].find(([, followed]) => followed.id === id)?.[0];
  }

  /** The service has said under which name a view's messages come. */
  #nameView({ id, board }) {
    const key = this.#keyOf(id);
    if (key === undefined) return void (this.#isFollowed(board) || this.#say({ type: "unsubscribe", board }));
    this.#followed.get(key).board = board;
    if (this.#boards.has(board)) this.#tell.onChange?.(key, null); // under another key already
  }

  #hearError(error) {
    // What was not listened to may have been anything: all is asked for again.
    if (error.code === "rate_limited") return void this.#socket.close();
    this.#isAnswered ||= error.id !== undefined;
    const key = this.#keyOf(error.id);
    this.#tell.onRefused?.(key ?? null, new FeedRefused(error));
  }

  #takeBoard({ type, board, epoch, offset, items, changes }) {
    const keys = this.#keysOf(board);
    if (!keys.length) return;
    this.#attempts = 0;
    this.#isAnswered = true;
    const held = this.#boards.get(board), since = { epoch, offset };
    let changed = null;
    if (type === "snapshot") this.#boards.set(board, { items: new Map(items.map((item) => [item.mint, item])), since });
    else if (type === "delta" && held && (epoch !== held.since.epoch || offset > held.since.offset)) {
      changed = fold(held.items, changes);
      held.since = since;
    } else return; // resumed, or a delta that was on its way before the board was subscribed anew
    for (const key of keys) this.#tell.onChange?.(key, changed);
  }
}

function inflate(blob) {
  return new Response(blob.stream().pipeThrough(new DecompressionStream("deflate"))).text();
}

/**
 * An async iterator over updates of the boards, and of views and tokens under names of the caller's.
 * Whoever iterates slowly gets what each board is by then: nothing is queued but that.
 * `return()`, or leaving the loop, closes the connection.
 */
export function follow(url, { boards = BOARDS, views = {}, tokens = [], ...options } = {}) {
  return new Feed(url, [
    ...boards.map((board) => [board, { board }]),
    ...Object.entries(views).map(([name, view]) => [name, { view }]),
    ...tokens.map((token) => [`token:${token}`, { token }]),
  ], options);
}

class Feed {
  #client;
  #pending = new Map(); // by name: the mints that have changed since it was taken last, null for all
  #waiting = []; // who awaits an update
  #error = null;
  #hasEnded = false;

  constructor(url, requests, options) {
    this.#client = new Client(url, {
      ...options,
      onChange: (name, changed) => this.#note(name, changed),
      onRefused: (name, error) => name !== null && this.#end(error),
      onEnd: () => this.#end(),
    });
    if (options.signal?.aborted) return void (this.#hasEnded = true);
    for (const [name, request] of requests) this.#client.follow(name, request);
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async next() {
    if (!this.#pending.size && !this.#hasEnded) await new Promise((resolve) => this.#waiting.push(resolve));
    for (const [board, changed] of this.#pending) {
      this.#pending.delete(board);
      // A copy: whoever holds it keeps what it was.
      const items = new Map(this.#client.itemsOf(board));
      return { value: { board, items, changed, ...this.#client.cursorOf(board) }, done: false };
    }
    const error = this.#error;
    this.#error = null;
    if (error) throw error;
    return { value: undefined, done: true };
  }

  async return() {
    this.end();
    return { value: undefined, done: true };
  }

  end() {
    this.#end();
  }

  #note(name, changed) {
    const untaken = this.#pending.get(name);
    if (untaken === undefined) this.#pending.set(name, changed && new Set(changed));
    else this.#pending.set(name, untaken && changed && new Set([...untaken, ...changed]));
    this.#wake();
  }

  #end(error = null) {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#error = error;
    this.#pending.clear();
    this.#client.end();
    this.#wake();
  }

  #wake() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
