// What the client does with what a service says, without a network: run by test_page_logic.py, beside the pages' modules.

import assert from "node:assert/strict";
import test from "node:test";

import { Client, FeedRefused, follow, sortItems } from "./client.js";
import { describeConnection } from "./connection.js";

const tick = () => new Promise((resolve) => setImmediate(resolve));

/** A socket that is told what a service would say. */
class Socket {
  static OPEN = 1;
  static all = [];
  sent = [];
  readyState = 0;

  constructor(address) {
    this.address = address;
    Socket.all.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
    this.isClosed = true;
    this.onclose?.();
  }

  open() {
    this.readyState = 1;
    this.onopen();
    return this;
  }

  async say(...messages) {
    for (const message of messages) this.onmessage({ data: JSON.stringify(message) });
    await tick();
  }

  take() {
    return this.sent.splice(0);
  }
}

const place = (offset, board = "new", epoch = "e") => ({ board, epoch, offset });
const snapshot = (offset, items, ...where) => ({ type: "snapshot", ...place(offset, ...where), items });
const delta = (offset, changes, ...where) => ({ type: "delta", ...place(offset, ...where), changes });

/** A client on a socket that is open, and what it has told. */
async function open(t, options = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  let now = 0;
  t.mock.method(performance, "now", () => now);
  Socket.all = [];
  const told = [];
  const tell = (kind) => (...more) => told.push([kind, ...more.map((each) => (each instanceof Set ? [...each] : each))]);
  const client = new Client("https://service.example/at/", { WebSocket: Socket, onChange: tell("change"), onRefused: tell("refused"), onState: tell("state"), ...options });
  t.after(() => client.end());
  await tick();
  const pass = (milliseconds) => {
    for (let left = milliseconds; left > 0; left -= 500) {
      now += Math.min(left, 500);
      t.mock.timers.tick(Math.min(left, 500));
    }
  };
  return { client, told, pass, socket: Socket.all[0] };
}

test("it greets with what is followed and watched, and again after a break, from where it was", async (t) => {
  const { client, socket, pass } = await open(t);
  assert.equal(socket.address, "wss://service.example/at/ws");
  client.follow("first", { board: "new" });
  client.watch("mint");
  assert.deepEqual(socket.sent, []);
  socket.open();
  const [subscribed, watched] = socket.take();
  assert.deepEqual([subscribed.board, subscribed.since, watched], ["new", null, { type: "watch", mint: "mint" }]);
  await socket.say(snapshot(4, [{ mint: "a", price: 1 }]), delta(6, [{ mint: "a", price: 2 }]));
  assert.deepEqual([...client.itemsOf("first").values()], [{ mint: "a", price: 2 }]);
  socket.close();
  pass(500);
  const again = Socket.all[1].open();
  assert.deepEqual(again.sent[0].since, { epoch: "e", offset: 6 });
  await again.say({ type: "resumed", ...place(6) }, delta(7, [{ mint: "a", removed: true }]));
  assert.equal(client.itemsOf("first").size, 0);
  assert.deepEqual(client.cursorOf("first"), { epoch: "e", offset: 7 });
});

test("deltas that were folded already, or are of a subscription before, change nothing", async (t) => {
  const { client, socket, told } = await open(t);
  client.follow("first", { board: "new" });
  socket.open();
  await socket.say(snapshot(4, [{ mint: "a", price: 1 }]), delta(5, [{ mint: "a", price: 2 }]), { type: "resumed", ...place(4) }, delta(5, [{ mint: "a", price: 1 }]));
  assert.equal(client.itemsOf("first").get("a").price, 2);
  client.unfollow("first");
  client.follow("first", { board: "new" });
  await socket.say(delta(6, [{ mint: "a", price: 3 }]));
  assert.equal(client.itemsOf("first"), null);
  await socket.say(snapshot(7, []), delta(1, [{ mint: "z" }], "new", "another life"));
  assert.deepEqual([...client.itemsOf("first").keys()], ["z"]);
  assert.deepEqual(told.filter(([kind]) => kind === "change").length, 4);
});

test("a view is known by the name that the service gives it, and shared by two keys", async (t) => {
  const { client, socket, told } = await open(t);
  socket.open();
  client.follow("one", { view: { limit: 5 } });
  client.follow("two", { view: { limit: 5 } });
  const [one, two] = socket.take();
  const named = (id) => ({ type: "view", id, board: "view:1", view: {} });
  await socket.say(named(one.id), snapshot(3, [{ mint: "a" }], "view:1"), named(two.id));
  assert.deepEqual(told.filter(([kind]) => kind === "change"), [["change", "one", null], ["change", "two", null]]);
  client.unfollow("one");
  assert.deepEqual(socket.take(), []);
  client.unfollow("two");
  assert.deepEqual(socket.take(), [{ type: "unsubscribe", board: "view:1" }]);
});

test("a view that was left before it had a name is unsubscribed when it has one", async (t) => {
  const { client, socket } = await open(t);
  socket.open();
  client.follow("one", { view: {} });
  const [{ id }] = socket.take();
  client.unfollow("one");
  await socket.say({ type: "view", id, board: "view:1", view: {} });
  assert.deepEqual(socket.take(), [{ type: "unsubscribe", board: "view:1" }]);
});

test("a refusal is told for what it refuses alone", async (t) => {
  const { client, socket, told } = await open(t);
  socket.open();
  client.follow("one", { view: { limit: 9999 } });
  client.watch("gone");
  const [{ id }] = socket.take();
  await socket.say({ type: "error", code: "unknown_mint", message: "none" }, { type: "error", code: "bad_view", message: "limit", id });
  const refused = told.filter(([kind]) => kind === "refused");
  assert.deepEqual(refused.map(([, key, error]) => [key, error.code, error.reason]), [[null, "unknown_mint", "none"], ["one", "bad_view", "limit"]]);
  assert.ok(refused[0][2] instanceof FeedRefused);
  assert.equal(told.at(-1)[1], "live");
});

test("what was not listened to is asked for again", async (t) => {
  const { client, socket, pass } = await open(t);
  client.follow("one", { board: "new" });
  socket.open();
  await socket.say({ type: "error", code: "rate_limited", message: "wait" });
  assert.ok(socket.isClosed);
  pass(500);
  assert.equal(Socket.all[1].open().sent[0].board, "new");
});

test("what cannot be read is asked for again", async (t) => {
  const { client, socket } = await open(t);
  t.mock.method(console, "error", () => {});
  client.follow("one", { board: "new" });
  socket.open().onmessage({ data: "no JSON" });
  await tick();
  assert.ok(socket.isClosed);
});

test("a heartbeat makes silence known within seconds, and any message ends it", async (t) => {
  const { client, socket, told, pass } = await open(t, { heartbeat: true });
  client.follow("one", { board: "new" });
  socket.open();
  assert.deepEqual(socket.take()[0], { type: "health", heartbeat: true });
  const health = { type: "health", status: "ready", reasons: [], degraded: [] };
  await socket.say(health);
  assert.equal(told.at(-1)[1], "connecting");
  await socket.say(snapshot(1, []));
  assert.deepEqual(told.at(-1), ["state", "live", health]);
  pass(3_500);
  assert.equal(told.at(-1)[1], "silent");
  assert.deepEqual(socket.take(), [{ type: "ping" }]);
  await socket.say({ type: "heartbeat", at: 1 });
  assert.equal(told.at(-1)[1], "live");
  pass(10_500);
  assert.ok(socket.isClosed);
  assert.equal(told.at(-1)[1], "waiting");
});

test("a socket that never opens is given up, and waits grow to a bound", async (t) => {
  const { told, pass, client } = await open(t);
  t.mock.method(Math, "random", () => 1);
  const waits = [];
  for (let attempt = 0; attempt < 9; attempt += 1) {
    const before = Socket.all.length;
    pass(5_500);
    assert.equal(told.at(-1)[1], "waiting");
    let waited = 0;
    while (Socket.all.length === before) pass(500), waited += 500;
    waits.push(waited);
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000]);
  Socket.all.at(-1).close();
  client.reconnect();
  assert.equal(told.at(-1)[1], "connecting");
});

test("a token's trades and candles are passed on", async (t) => {
  const heard = [];
  const { client, socket } = await open(t, { onTrades: (message) => heard.push(message), onCandles: (message) => heard.push(message) });
  client.follow("one", { token: "mint" });
  socket.open();
  assert.equal(socket.take()[0].token, "mint");
  const trades = { type: "trades", mint: "mint", whole: true, trades: [] }, candles = { type: "candles", mint: "mint", currency: null, candles: {} };
  await socket.say(snapshot(1, [{ mint: "mint" }], "token:mint"), trades, candles);
  assert.deepEqual(heard, [trades, candles]);
  assert.equal(client.itemsOf("one").size, 1);
});

test("who iterates slowly gets what a board is by then, and what changed meanwhile", async () => {
  Socket.all = [];
  const feed = follow("http://service.example", { WebSocket: Socket, boards: ["new"], views: {} });
  await tick();
  const [socket] = Socket.all;
  await socket.open().say(snapshot(1, [{ mint: "a" }]));
  const first = (await feed.next()).value;
  assert.equal(first.changed, null);
  await socket.say(delta(2, [{ mint: "b" }]), delta(3, [{ mint: "a", removed: true }]));
  const { value } = await feed.next();
  assert.deepEqual([value.board, value.offset, [...value.changed].sort(), [...value.items.keys()]], ["new", 3, ["a", "b"], ["b"]]);
  assert.deepEqual([...first.items.keys()], ["a"]); // is what it was
  await socket.say({ type: "error", code: "unknown_board", message: "gone", id: socket.sent[0].id });
  await assert.rejects(feed.next(), FeedRefused);
  assert.deepEqual(await feed.next(), { value: undefined, done: true });
});

test("a signal ends it, before it began and after", async () => {
  Socket.all = [];
  const ended = follow("http://service.example", { WebSocket: Socket, signal: AbortSignal.abort() });
  assert.deepEqual(await ended.next(), { value: undefined, done: true });
  const ending = new AbortController(), feed = follow("http://service.example", { WebSocket: Socket, signal: ending.signal });
  await tick();
  const next = feed.next();
  ending.abort();
  assert.deepEqual(await next, { value: undefined, done: true });
  assert.ok(Socket.all[0].isClosed);
  assert.equal(Socket.all.length, 1);
});

test("items are sorted as the service has them", () => {
  const items = [{ mint: "c", hotScore: 1, symbol: "b" }, { mint: "a", hotScore: null, symbol: "" }, { mint: "b", hotScore: 1, symbol: "B" }, { mint: "d", hotScore: 3, symbol: "A" }, { mint: "0" }];
  const mints = (order) => sortItems(items, order).map(({ mint }) => mint).join("");
  assert.equal(mints("hot"), "dbc0a");
  assert.equal(mints("alphabetical"), "dbc0a");
  assert.throws(() => sortItems(items, "best"), RangeError);
});

test("a connection is told in words, stale wherever nothing is heard", () => {
  const now = 10_000, told = (...state) => describeConnection(state, now);
  assert.deepEqual(told("waiting", 14_200), { state: "waiting", text: "Reconnecting", detail: "in 5 s", title: "", isStale: true });
  assert.equal(told("silent", 6_500).detail, "for 3 s");
  assert.equal(describeConnection(["waiting", 14_200], now, false).text, "Offline: no network");
  assert.equal(told("live", { status: "ready", reasons: [], degraded: [] }).isStale, false);
  assert.equal(told("connecting", null).isStale, true);
});
