// Follow token-discovery's live boards, over every break of the connection.
//
//   for await (const { board, items } of follow("http://localhost:8080", { boards: ["new"] })) {
//     console.log(board, items.size);
//   }
//
// No dependency: browsers and Node 22 have WebSocket and DecompressionStream; Node 20 has the first
// with --experimental-websocket.

const SHORTEST_WAIT = 500, LONGEST_WAIT = 20_000; // milliseconds between two attempts
// Milliseconds of silence after which the service is pinged, and after which it is given up.
const PING_AFTER = 10_000, SILENCE = 20_000, CHECK_EVERY = 1_000;
const CONNECT_WITHIN = 5_000; // Node 20 does not tell of a connection that ends before its handshake

export const BOARDS = ["new", "graduating", "bonded", "hot"];

/** By which key a board is sorted: greatest first, null last, equal values by mint. */
export const SORT_KEYS = {
  new: "firstSeenAt",
  graduating: "bondingCurveProgress",
  bonded: "stateChangedAt",
  hot: "hotScore",
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

/** Items in a board's order by one of SORT_KEYS, or by another key. */
export function sortItems(items, key) {
  const compare = (a, b) => (a > b) - (a < b);
  return [...items].sort((a, b) => {
    const one = a[key] ?? null, other = b[key] ?? null;
    if (one === null || other === null) return (one === null) - (other === null) || compare(a.mint, b.mint);
    return compare(other, one) || compare(a.mint, b.mint);
  });
}

/** The service does not take what was asked for; `code` is of docs/API.md. */
export class FeedRefused extends Error {
  constructor({ code, message }) {
    super(`${code}: ${message}`);
    this.name = "FeedRefused";
    this.code = code;
  }
}

/**
 * An async iterator over updates of the boards, and of views under names of the caller's.
 * Whoever iterates slowly gets what each board is by then: nothing is queued but that.
 * `return()`, or leaving the loop, closes the connection.
 */
export function follow(url, { boards = BOARDS, views = {}, signal, WebSocket = globalThis.WebSocket } = {}) {
  if (!WebSocket) throw new TypeError("there is no WebSocket here; give one as an option");
  const feed = new Feed(url, boards, views, WebSocket);
  signal?.addEventListener("abort", () => feed.end());
  if (signal?.aborted) feed.end();
  return feed;
}

class Feed {
  #address;
  #WebSocket;
  #boards; // by the caller's name
  #named = new Map(); // by the service's name: the caller's
  #pending = new Map(); // updates that nobody has taken yet, the newest of each board
  #waiting = []; // who awaits an update
  #attempts = 0;
  #taking = Promise.resolve(); // of the messages so far
  #error = null;
  #hasEnded = false;

  constructor(url, boards, views, WebSocket) {
    const address = new URL(url);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.pathname = `${address.pathname.replace(/\/$/, "")}/ws`;
    this.#address = address.href;
    this.#WebSocket = WebSocket;
    const asked = [
      ...boards.map((board) => [board, { board }]),
      ...Object.entries(views).map(([id, view]) => [id, { view, id }]),
    ];
    this.#boards = new Map(asked.map(([name, request]) => [name, { request, items: new Map(), since: null }]));
    this.#connect();
    this.checking = setInterval(() => this.#check(), CHECK_EVERY);
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async next() {
    if (!this.#pending.size && !this.#hasEnded) await new Promise((resolve) => this.#waiting.push(resolve));
    for (const [board, update] of this.#pending) {
      this.#pending.delete(board);
      return { value: update, done: false };
    }
    if (this.#error) {
      const error = this.#error;
      this.#error = null;
      throw error;
    }
    return { value: undefined, done: true };
  }

  async return() {
    this.end();
    return { value: undefined, done: true };
  }

  end(error = null) {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#error = error;
    this.#pending.clear();
    clearInterval(this.checking);
    clearTimeout(this.timer);
    this.#leave();
    this.#wake();
  }

  #wake() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #connect() {
    const socket = new this.#WebSocket(this.#address);
    this.socket = socket;
    socket.binaryType = "blob";
    this.heardAt = Date.now();
    this.isPinged = false;
    socket.onopen = () => socket === this.socket && this.#greet(socket);
    socket.onmessage = ({ data }) => this.#hear(socket, data);
    socket.onclose = () => {
      if (socket !== this.socket) return;
      this.socket = null;
      this.#wait();
    };
    socket.onerror = () => {}; // a close follows
  }

  #greet(socket) {
    this.#named = new Map([...this.#boards.keys()].map((name) => [name, name]));
    const encoding = "DecompressionStream" in globalThis ? "deflate" : null;
    for (const { request, since } of this.#boards.values()) {
      socket.send(JSON.stringify({ type: "subscribe", ...request, since, encoding }));
    }
  }

  /** Text is JSON, and binary is the same JSON deflated; one after the other, as they came. */
  #hear(socket, data) {
    this.heardAt = Date.now();
    this.isPinged = false;
    this.#taking = this.#taking.then(async () => {
      const text = typeof data === "string" ? data : await inflate(data);
      if (socket === this.socket && !this.#hasEnded) this.#take(JSON.parse(text));
    }).catch(() => socket.close()); // what cannot be read is asked for again, from where it was
  }

  #take(message) {
    if (message.type === "error") return this.end(new FeedRefused(message));
    if (message.type === "view") this.#named.set(message.board, message.id);
    const name = this.#named.get(message.board), board = this.#boards.get(name);
    if (!board || message.offset === undefined) return;
    const { epoch, offset } = message;
    this.#attempts = 0;
    let changed = null;
    if (message.type === "snapshot") {
      board.items = new Map(message.items.map((item) => [item.mint, item]));
    } else if (message.type === "delta") {
      board.items = new Map(board.items); // whoever holds the former keeps what it was
      changed = fold(board.items, message.changes);
    }
    board.since = { epoch, offset };
    if (message.type === "resumed") return; // deltas follow, if anything was missed
    const untaken = this.#pending.get(name);
    if (untaken) changed = changed && untaken.changed && new Set([...untaken.changed, ...changed]);
    this.#pending.set(name, { board: name, items: board.items, changed, epoch, offset });
    this.#wake();
  }

  #wait() {
    if (this.#hasEnded) return;
    const longest = Math.min(SHORTEST_WAIT * 2 ** this.#attempts, LONGEST_WAIT);
    this.#attempts = Math.min(this.#attempts + 1, 16);
    this.timer = setTimeout(() => this.#connect(), longest * (0.5 + Math.random() / 2)); // not all at once
  }

  #leave() {
    const socket = this.socket;
    this.socket = null; // no close frame may ever be answered
    socket?.close();
  }

  #check() {
    if (!this.socket) return; // between two attempts
    const silence = Date.now() - this.heardAt;
    const isOpen = this.socket.readyState === this.#WebSocket.OPEN;
    if (silence > (isOpen ? SILENCE : CONNECT_WITHIN)) {
      this.#leave();
      this.#wait();
    } else if (isOpen && silence > PING_AFTER && !this.isPinged) {
      this.isPinged = true;
      this.socket.send('{"type":"ping"}');
    }
  }
}

function inflate(blob) {
  return new Response(blob.stream().pipeThrough(new DecompressionStream("deflate"))).text();
}
