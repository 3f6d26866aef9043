// The operations page: what /api/ops tells. What is wrong and the actors each second, the rest less often.

import { describeActivity } from "./activity.js";
import { bars, element, meter } from "./charts.js";
import { badgeOf } from "./health.js";
import { showEvents } from "./ops_events.js";
import { ActorGraph } from "./ops_graph.js";
import { showHistory } from "./ops_history.js";
import { duration, showProblems } from "./ops_problems.js";
import { describeQuarantine, listNewest } from "./quarantine.js";
import { listFacts, listProviders, listStreams } from "./sources.js";

const PARTS = ["problems", "health", "actors", "writes", "checkpoints", "quarantine"];
const EVERY = 1000, EVENTS_EVERY = 5000, HISTORY_EVERY = 15000; // milliseconds
const HOURS = 48, PULSES = 50;
const UNKNOWN = "–";
const $ = (id) => document.getElementById(id);
const exact = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const GROUPS = ["lifecycle", "market", "score", "holders", "watchers", "profile"];
const COMPONENTS = ["ingest", "sync", "others"];

const theme = (() => { try { return JSON.parse(localStorage.getItem("theme")); } catch { return null; } })();
if (theme) document.documentElement.dataset.theme = theme;

// Words.

const known = (value, format = (number) => exact.format(number)) =>
  value === null || value === undefined ? UNKNOWN : format(value);

function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) value /= 1000, unit += 1;
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

const clock = (seconds) => new Date(seconds * 1000).toTimeString().slice(0, 8);

// Elements. What the service says becomes text, never markup.

function tag(name, { className = "", text } = {}, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.append(text);
  made.append(...children);
  return made;
}

function figures(entries) {
  return tag("dl", { className: "figures" }, ...entries.map(([name, value, note, state]) => {
    const dd = tag("dd", { className: state ?? "", text: value });
    if (note) dd.append(" ", tag("small", { text: note }));
    return tag("div", { className: "figure" }, tag("dt", { text: name }), dd);
  }));
}

function legend(entries) {
  return tag("p", { className: "legend" }, ...entries.map(([kind, text]) => {
    const swatch = element("svg", { viewBox: "0 0 9 9", "aria-hidden": "true" });
    swatch.append(element("rect", { class: kind, width: 9, height: 9, rx: 2 }));
    return tag("span", {}, swatch, text);
  }));
}

/** A place that scrolls, as one that keys reach. */
function reachable(label, place) {
  Object.assign(place, { tabIndex: 0, role: "region", ariaLabel: label });
  return place;
}

function table(columns, rows) {
  const made = tag("table");
  const head = made.createTHead().insertRow();
  for (const [name, , kind] of columns) {
    const th = tag("th", { className: kind ?? "", text: name });
    th.scope = "col";
    head.append(th);
  }
  const body = made.createTBody();
  for (const row of rows) {
    body.insertRow().append(...columns.map(([, cell, kind]) => {
      const value = cell(row);
      const isNone = value === null || value === undefined || value === "";
      return tag("td", { className: isNone ? "none" : kind ?? "", text: isNone ? UNKNOWN : value });
    }));
  }
  return made;
}

// The parts of the page.

function showActivity(dump) {
  const told = describeActivity(dump, duration, clock);
  $("activity").hidden = !told;
  if (!told) return;
  $("activity").dataset.state = told.state;
  $("activity").replaceChildren(tag("strong", { text: told.title }), ...told.facts.map((text) => tag("span", { text })));
}

function showGovernor(governor) {
  const { budget, allowed, staleness } = governor;
  const own = governor.ownWalBytesPerSecond;
  const isOver = own > allowed.walBytesPerSecond;
  const rows = GROUPS.filter((group) => staleness[group]).flatMap((group) => {
    const { seconds, boundSeconds, isBroken } = staleness[group];
    const share = seconds / boundSeconds;
    return [tag("span", { text: group }),
      meter(share, isBroken ? "down" : share > 0.9 ? "warm" : "well", `${group}: ${duration(seconds)}`),
      tag("span", { text: `${duration(seconds)} of ${duration(boundSeconds)}` })];
  });
  $("governor").replaceChildren(
    figures([
      ["Allowed", `${Math.round(governor.share * 100)} %`, "of the budget", governor.share < 1 ? "warm" : ""],
      ["Own WAL", `${bytes(own)}/s`, `of ${bytes(allowed.walBytesPerSecond)}/s`, isOver ? "warm" : ""],
      ["Rows allowed", short.format(allowed.rowsPerHour), `of ${short.format(budget.rowsPerHour)} an hour`],
      ["Others' WAL", `${bytes(governor.othersWalBytesPerSecond)}/s`],
      ["Held back", exact.format(governor.heldBack), `of ${exact.format(governor.waiting)} rows`, governor.heldBack ? "warm" : ""],
      ["New tokens", short.format(governor.counts.exempt_rows ?? 0), "exempt"],
    ]),
    tag("h3", { text: "Share of the budget" }),
    meter(governor.share, governor.share < 1 ? "warm" : "well", "share of the budget"),
    tag("h3", { text: "Oldest unflushed value, at the last look" }),
    tag("div", { className: "rows" }, ...rows),
  );
}

function showCheckpoints(checkpoints) {
  if (!checkpoints.observed) {
    $("checkpoints").replaceChildren(tag("p", { className: "nothing", text: "Not watched yet, or idle since the start." }));
    return;
  }
  const { history } = checkpoints;
  const early = history.reduce((sum, pulse) => sum + pulse.requested, 0);
  const since = checkpoints.walSinceCheckpointBytes, limit = checkpoints.walBeforeRequestedBytes;
  const data = history.map((pulse) => ({
    parts: [["others", pulse.walBytesPerSecond]],
    mark: pulse.requested ? "down" : pulse.timed ? "well" : null,
    title: `${clock(pulse.at)}: ${bytes(pulse.walBytesPerSecond)}/s, ${pulse.fullPageImages} page images, `
      + `${pulse.buffersWritten} buffers, ${pulse.requested} requested, ${pulse.timed} timed`
      + (pulse.checkpointSeconds ? `, one that ended took ${duration(pulse.checkpointSeconds)}` : ""),
  }));
  $("checkpoints").replaceChildren(
    figures([
      ["Requested", exact.format(checkpoints.requested), `${early} lately`, early ? "down" : ""],
      ["Timed", exact.format(checkpoints.timed), `every ${duration(checkpoints.checkpointTimeoutSeconds)}`],
      ["Server's WAL", known(checkpoints.walBytesPerSecond, (rate) => `${bytes(rate)}/s`)],
      ["Last took", known(history.findLast((pulse) => pulse.checkpointSeconds)?.checkpointSeconds, duration), "to write and to sync"],
      ["Buffers a checkpoint", exact.format(checkpoints.buffersPerCheckpoint)],
      ["Page images", short.format(checkpoints.fullPageImages)],
      ["To max_wal_size", known(checkpoints.walToMaxSizeBytes, bytes), `of ${bytes(checkpoints.maxWalSizeBytes)}`],
    ]),
    tag("h3", { text: `WAL since the last checkpoint: ${known(since, bytes)} of the ${bytes(limit)} that request the next` }),
    meter((since ?? 0) / limit, since > 0.9 * limit ? "down" : since > 0.6 * limit ? "warm" : "well", "WAL since the last checkpoint"),
    tag("h3", { text: `WAL a second, at the last ${history.length} pulses` }),
    bars(data, { slots: PULSES, format: bytes, label: "WAL a second at each pulse; requested checkpoints marked" }),
    legend([["down", "requested checkpoint"], ["well", "timed checkpoint"]]),
  );
}

function showWrites(writes) {
  const hours = [...writes.hours].reverse(); // oldest first
  const chart = (title, key, format) => {
    const data = hours.map(({ hour, components }) => ({
      parts: COMPONENTS.map((name) => [name, components[name]?.[key] ?? 0]),
      label: hour.slice(11, 13) % 6 === 0 ? hour.slice(11, 13) : null,
      title: `${hour.slice(0, 13).replace("T", " ")}h: ` + COMPONENTS.map((name) => `${name} ${format(components[name]?.[key] ?? 0)}`).join(", "),
    }));
    const total = COMPONENTS.reduce((sum, name) => sum + (writes.totals[name]?.[key] ?? 0), 0);
    return tag("div", {}, tag("h3", { text: `${title}: ${format(total)} since the start` }), bars(data, { slots: HOURS, format, label: title }));
  };
  const rows = Object.entries(writes.totals);
  if (writes.server) rows.push(["whole server, while watched", { ownWalBytes: writes.server.walBytes, fullPageImages: writes.server.fullPageImages }]);
  const number = (key, format) => ([, account]) => known(account[key], format);
  $("writes").replaceChildren(
    tag("div", { className: "charts" }, chart("WAL", "walBytes", bytes), chart("Rows", "rows", short.format), chart("Statements", "statements", short.format)),
    legend([["ingest", "ingest: new tokens"], ["sync", "sync: updates"], ["others", "others: writes through the view"]]),
    reachable("Table of writes", tag("div", { className: "frame writes-table" }, table([
      ["component", ([name]) => name],
      ["commits", number("commits"), "number"],
      ["statements", number("statements"), "number"],
      ["rows", number("rows"), "number"],
      ["WAL during commits", number("walBytes", bytes), "number"],
      ["WAL of its own", number("ownWalBytes", bytes), "number"],
      ["page images", number("fullPageImages"), "number"],
      ["seconds", number("seconds"), "number"],
    ], rows))),
  );
}

function showSources({ actors }, { degraded }) {
  const streams = listStreams(actors);
  const amount = (key) => (row) => known(row[key]);
  const words = (fact) => fact.replaceAll("_seconds", ", s").replaceAll("_", " ");
  $("streams").replaceChildren(streams.length ? table([
    ["stream", (row) => row.name],
    ["connected", (row) => (row.connected === undefined ? null : tag("span", { className: row.connected ? "well" : "down", text: row.connected ? "yes" : "no" }))],
    ["connections", amount("connections"), "number"],
    ["last message", (row) => (isFinite(row.silent ?? NaN) ? `${duration(row.silent)} ago` : null), "number"],
    ["messages", amount("received"), "number"],
    ["refused", amount("refused"), "number"],
    ...listFacts(streams).map((fact) => [words(fact), (row) => factText(row.facts[fact]), "number"]),
    ["last problem", (row) => row.problem, "long"],
  ], streams) : tag("p", { className: "nothing", text: "No stream is configured." }));
  const providers = listProviders(actors, degraded, Date.now());
  const time = (key) => (row) => known(row[key] ?? null, (moment) => clock(moment / 1000));
  $("providers").replaceChildren(providers.length ? table([
    ["asked by", (row) => row.name],
    ["answers", amount("answers"), "number"],
    ["failed requests", amount("failures"), "number"],
    ["unusable parts", amount("unusable"), "number"],
    ["refuses since", time("since")],
    ["asked again about", time("again")],
    ["why", (row) => row.reason, "long"],
  ], providers) : tag("p", { className: "nothing", text: "No provider is configured." }));
}

const factText = (value) => (typeof value === "number" ? exact.format(value) : value ?? null);

function showQuarantine(quarantine) {
  const { state, facts: [count, ...others] } = describeQuarantine(quarantine);
  $("quarantine-facts").dataset.state = state;
  $("quarantine-facts").replaceChildren(tag("strong", { text: count }), ...others.map((text) => tag("span", { text })));
  const rows = listNewest(quarantine, Date.now());
  $("quarantine").hidden = !rows.length;
  $("quarantine").replaceChildren(table([
    ["id", (entry) => entry.id],
    ["kind", (entry) => entry.kind],
    ["of", (entry) => entry.mint ?? entry.place],
    ["refused", (entry) => `${duration(entry.ageSeconds)} ago`, "number"],
    ["tries", (entry) => exact.format(entry.tries), "number"],
    ["reason", (entry) => entry.reason, "long"],
    ["to do", (entry) => tag("code", { text: entry.command })],
  ], rows));
}

function showActors({ actors, mailboxes, process }) {
  $("process").textContent = `up ${duration(process.uptime_seconds)} · ${bytes(process.peak_memory_bytes)} at most · ${exact.format(process.cpu_seconds)} s CPU`
    + (process.is_draining ? " · draining" : "");
  $("actors").replaceChildren(table([
    ["actor", (actor) => actor.name],
    ["state", (actor) => actor.state],
    ["up", (actor) => duration(actor.uptime_seconds), "number"],
    ["restarts", (actor) => exact.format(actor.restarts), "number"],
    ["inboxes", (actor) => actor.inboxes.join(", ")],
    ["last error", (actor) => actor.last_error && `${actor.last_error.type}: ${actor.last_error.message}`, "long"],
  ], actors));
  const count = (key) => [key, (box) => exact.format(box[key]), "number"];
  $("mailboxes").replaceChildren(table([
    ["mailbox", (box) => box.name],
    ["from", (box) => graph.listSenders(box.name).join(", ")],
    ["policy", (box) => box.policy],
    ["filled", (box) => meter(box.depth / box.capacity, box.depth > 0.8 * box.capacity ? "down" : box.depth > 0.4 * box.capacity ? "warm" : "well", `${box.depth} of ${box.capacity}`)],
    ["depth", (box) => `${short.format(box.depth)} of ${short.format(box.capacity)}`, "number"],
    ["oldest", (box) => known(box.oldest_age_seconds, duration), "number"],
    ...["sent", "handled", "conflated", "dropped", "quarantined"].map(count),
    ["waiting", (box) => exact.format(box.senders_waiting), "number"],
  ], mailboxes));
  showSummary(actors);
}

function showSummary(actors) {
  const choice = $("summary-of");
  const names = actors.map((actor) => actor.name);
  if (choice.dataset.names !== names.join()) {
    const chosen = choice.value || "sync";
    choice.dataset.names = names.join();
    choice.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
  }
  const actor = actors.find(({ name }) => name === choice.value);
  const text = JSON.stringify(actor?.summary ?? null, null, 2);
  if ($("summary").textContent !== text) $("summary").textContent = text;
  choice.onchange = () => showSummary(actors);
}

function showBadge({ state, text, title }) {
  if ($("link").dataset.state !== state) $("link").dataset.state = state;
  if ($("link").title !== title) $("link").title = title;
  // Only when it changes: it is read aloud.
  if ($("link-text").textContent !== text) $("link-text").textContent = text;
}

async function ask(name) {
  const answer = await fetch(`/api/ops/${name}`, { signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw Object.assign(new Error(answer.status), { status: answer.status });
  return answer.json();
}

async function refresh() {
  try {
    const [problems, health, actors, writes, checkpoints, quarantine] = await Promise.all(PARTS.map(ask));
    showBadge(badgeOf(health));
    showProblems($("problems"), problems);
    graph.take(actors, health);
    showActivity(actors);
    showGovernor(writes.governor);
    showCheckpoints(checkpoints);
    showWrites(writes);
    showSources(actors, health);
    showQuarantine(quarantine);
    showActors(actors);
    document.body.classList.remove("stale");
  } catch (error) {
    console.error(error);
    document.body.classList.add("stale"); // the figures are those of a moment ago
    showBadge({ state: "offline", text: error.status === 503 ? "Stopping" : "No answer; trying again", title: "" });
  }
}

/** Ask now and for ever; while the page is not seen, nothing is asked. */
async function repeat(action, milliseconds) {
  if (!document.hidden) await action();
  setTimeout(() => repeat(action, milliseconds), milliseconds);
}

/** As an action of `repeat`; a failure is told by `refresh`, which asks more often. */
const quietly = (action) => () => action().catch((error) => console.warn(error));

async function refreshEvents() {
  showEvents($("events"), $("events-note"), await ask("events"));
}

async function refreshHistory() {
  const { value } = document.querySelector("#spans input:checked");
  const told = await ask(`history?hours=${value}`);
  showHistory($("history"), told);
  const missing = told.isComplete ? "" : "what was before this start is not read from Redis yet";
  $("history-note").textContent = told.at.length ? missing : "No point yet: there is one every 15 s.";
}

const graph = new ActorGraph($("graph"));
ask("graph").then((told) => graph.setGraph(told)).catch((error) => console.warn(error));
$("spans").addEventListener("change", quietly(refreshHistory));
repeat(refresh, EVERY);
repeat(quietly(refreshEvents), EVENTS_EVERY);
repeat(quietly(refreshHistory), HISTORY_EVERY);
