// What the pages compute without a document: run by test_page_logic.py, beside the modules themselves.

import assert from "node:assert/strict";
import test from "node:test";

import { AlertJudge, dollarsOf, firedWords, holds, MOST_RULES, readRule, readRules } from "./alert_rules.js";
import { linksOf } from "./links.js";
import { mergeTrades } from "./token_trades.js";
import { SERIES, thin } from "./ops_history.js";
import { describeProblems } from "./ops_problems.js";
import { ago, change, direction, dollars, duration, money, originWords, percent, price, safeAddress, symbolOf, windowsWords } from "./token_words.js";

const NOW = Date.parse("2026-11-27T12:00:00Z");
const ITEM = { mint: "mint", state: "new", priceUsd: 2, marketCapUsd: 1000 };
const rule = (kind, scope, value = null) => ({ kind, scope, value, sound: false });

// Figures and words.

test("a small price counts its zeros", () => {
  assert.deepEqual([0.0000050076, 0.0123, 0.00045, 1.5, 1234.5, 0, 9.99999e-9].map((value) => price(value)), ["$0.0₅5008", "$0.0123", "$0.0₃45", "$1.5", "$1.23K", "$0", "$0.0₇1"]);
  assert.equal(price(0.002, "sol"), "◎0.002");
  assert.equal(price(null), "–");
});

test("a price next to a power of ten keeps its size", () => {
  assert.equal(price(0.000999999), "$0.001");
  assert.equal(price(0.999999), "$1");
  assert.equal(price(0.1), "$0.1");
  assert.equal(price(0.001), "$0.001");
});

test("an unknown figure is never a zero", () => {
  assert.deepEqual([dollars(null), percent(undefined), change(null), dollars(0), change(0)], ["–", "–", "–", "$0", "0%"]);
  assert.deepEqual([change(12.34), change(-3), change(0.04), change(-0.01), change(1500)], ["+12.3%", "−3%", "0%", "0%", "+1.5K%"]);
});

test("a sum is told in dollars where it is known in them", () => {
  assert.deepEqual([money(0, 5), money(null, 5), money(undefined, undefined)], ["$0", "◎5", "–"]);
});

test("what is shown as no change has no direction", () => {
  assert.deepEqual([0.04, -0.04, 0.06, -3, null].map(direction), [0, 0, 1, -1, 0]);
});

test("ages are told in words", () => {
  assert.deepEqual([0, 12, 59, 60, 3600, 172_800].map(duration), ["0 s", "12 s", "59 s", "1 min", "1 h", "2 d"]);
  assert.deepEqual([ago(NOW - 500, NOW), ago(NOW - 5000, NOW), ago(NOW + 9000, NOW), ago(NaN, NOW)], ["just now", "5 s ago", "just now", "at an unknown time"]);
});

test("sources are told in words, with the age of what they said", () => {
  const at = new Date(NOW - 9000).toISOString();
  assert.equal(originWords({ source: "jupiter", at }, NOW), "Jupiter, 9 s ago");
  assert.equal(originWords(undefined, NOW), "");
  assert.equal(windowsWords({ "5m": { source: "trades", at }, "1h": { source: "trades", at } }, NOW), "trades counted here, 9 s ago");
  assert.equal(windowsWords({ "5m": { source: "trades", at }, "24h": { source: "jupiter", at } }, NOW), "5m: trades counted here, 9 s ago; 24h: Jupiter, 9 s ago");
});

test("an address that is no web address leads nowhere", () => {
  assert.equal(safeAddress("javascript:alert(1)"), null);
  assert.equal(safeAddress("data:text/html,x"), null);
  assert.equal(safeAddress("https://x.com/a"), "https://x.com/a");
  assert.equal(symbolOf({ symbol: "  ", name: " Name ", mint: "mint" }), "Name");
});

test("links have the mint in its place", () => {
  assert.deepEqual(linksOf("abc"), [["Elsewhere", "https://elsewhere.example/abc"]]);
});

// Operations.

const problem = (severity) => ({ severity, subject: "redis", kind: "away", what: "Redis is away.", since: "2026-11-27T11:59:00Z", advice: "", runbook: "/ops/runbook#x" });
const told = (...severities) => describeProblems({ at: "2026-11-27T12:00:00Z", wellSince: "2026-11-27T10:00:00Z", problems: severities.map(problem) });

test("what is wrong is told in one line, by the worst of it", () => {
  assert.deepEqual([told().state, told().headline], ["well", "Nothing is wrong"]);
  assert.match(told().note, /^since \d\d:\d\d:\d\d, for 2 h$/);
  assert.deepEqual(told("notice"), { state: "mild", headline: "Nothing is wrong; one thing to know", note: "1 notice" });
  assert.deepEqual(told("warning", "warning"), { state: "warm", headline: "2 things are wrong", note: "2 warnings" });
  assert.deepEqual(told("critical", "notice"), { state: "down", headline: "2 things are wrong", note: "1 critical, 1 notice" });
  assert.equal(told("warning").headline, "One thing is wrong");
});

test("a long history is thinned, and keeps its peaks, its gaps and its newest point", () => {
  const at = Array.from({ length: 1440 }, (_, number) => number * 15);
  const values = at.map((_, number) => (number < 8 ? null : number === 700 ? 99 : 1));
  const thinned = thin({ at, secondsPerPoint: 15, series: { clients: { values } } });
  assert.ok(thinned.at.length <= 400);
  assert.deepEqual([thinned.at.at(-1), thinned.secondsPerPoint], [1439 * 15, 60]);
  assert.deepEqual([Math.max(...thinned.series.clients.values), thinned.series.clients.values[0]], [99, null]);
  assert.equal(new Set(SERIES).size, SERIES.length);
});

// Trades.

test("each trade is held once, newest first, and as many as may be", () => {
  const trade = (time, signature) => ({ time, signature, side: "buy", trader: "t", tokens: 1, sol: 1 });
  const known = mergeTrades([], [trade(2, "b"), trade(1, "a")]);
  assert.equal(mergeTrades(known, [trade(2, "b")]), known);
  assert.deepEqual(mergeTrades(known, [trade(3, "c"), trade(3, "c"), trade(1.5, "late")], 3).map(({ signature }) => signature), ["c", "b", "late"]);
  assert.equal(mergeTrades([], [trade(1, "a"), { ...trade(1, "a"), side: "sell" }]).length, 2);
});

// Alerts.

test("a rule from anywhere is read, or is none", () => {
  assert.deepEqual(readRule({ kind: "capAbove", scope: "watched", value: "69000", more: 1 }), rule("capAbove", "watched", 69_000));
  for (const value of [null, 5, {}, { kind: "toString", scope: "watched" }, { kind: "bonded" }, { kind: "capAbove", scope: "watched", value: "" }, { kind: "capAbove", scope: "watched", value: -1 }, { kind: "bonded", scope: "x".repeat(201) }]) {
    assert.equal(readRule(value), null);
  }
  assert.equal(readRules(Array(MOST_RULES + 5).fill(rule("bonded", "watched"))).length, MOST_RULES);
  assert.deepEqual(readRules("text"), []);
});

test("what is not known holds neither way", () => {
  assert.equal(holds(rule("capAbove", "watched", 5), { marketCapUsd: null }), null);
  assert.equal(holds(rule("graduating", "watched"), { state: "dead" }), null);
  assert.equal(holds(rule("graduating", "watched"), { state: "bonded" }), true);
});

test("a crossing fires once, and again only after it was undone", () => {
  const judge = new AlertJudge([rule("capAbove", "watched", 2000)]), watched = new Set(["mint"]);
  const fired = [1000, 2500, 3000, null, 1500, 2000].map((marketCapUsd) => judge.see([{ ...ITEM, marketCapUsd }], watched).length);
  assert.deepEqual(fired, [0, 1, 0, 0, 0, 1]);
});

test("the first look fires nothing", () => {
  const judge = new AlertJudge([rule("priceAbove", "mint", 1)]);
  assert.deepEqual(judge.see([ITEM], new Set()), []);
});

test("rules are about watched tokens, or one", () => {
  const judge = new AlertJudge([rule("bonded", "watched"), rule("bonded", "one")]);
  const items = (state) => ["one", "seen", "other"].map((mint) => ({ ...ITEM, mint, state })), watched = new Set(["seen"]);
  judge.see(items("graduating"), watched);
  assert.deepEqual(judge.see(items("bonded"), watched).map(({ item, rule: { scope } }) => [scope, item.mint]), [["watched", "seen"], ["one", "one"]]);
});

test("what is new on a board fires once, but for the first look at it", () => {
  const judge = new AlertJudge([rule("newIn", "hot")]), board = (...mints) => new Map(mints.map((mint) => [mint, { ...ITEM, mint }]));
  assert.deepEqual(judge.seeBoard("hot", board("a")), []);
  assert.deepEqual(judge.seeBoard("new", board("z")), []);
  assert.deepEqual(judge.seeBoard("hot", board("b")).map(({ item }) => item.mint), ["b"]);
  assert.deepEqual(judge.seeBoard("hot", board("a", "b")), []);
  assert.deepEqual(judge.seeBoard("hot", board("c"), true), []);
});

test("a rule that stays keeps what it has judged when others change", () => {
  const judge = new AlertJudge([rule("bonded", "mint")]);
  judge.see([ITEM], new Set());
  judge.setRules([rule("graduating", "mint"), rule("bonded", "mint")]);
  assert.deepEqual(judge.see([{ ...ITEM, state: "bonded" }], new Set()).map((fired) => fired.rule.kind), ["bonded"]);
});

test("dollars are read as people write them", () => {
  assert.deepEqual(["69000", " $69,000 ", "69k", "1.5M", "0.00002", "1b"].map(dollarsOf), [69_000, 69_000, 69_000, 1_500_000, 0.00002, 1e9]);
  for (const text of ["", "k", "1e5", "-5", "5 dollars"]) assert.ok(Number.isNaN(dollarsOf(text)), text);
});

test("what fired is a sentence", () => {
  assert.equal(firedWords(rule("capAbove", "watched", 69_000)), "market cap rises to $69K");
  assert.equal(firedWords(rule("priceBelow", "watched", 0.00002)), "price falls to $0.00002");
  assert.equal(firedWords(rule("newIn", "Hot")), "is new in Hot");
});
