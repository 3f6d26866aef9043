// The feed page: columns of tokens, drawn at most once a frame from what the WebSocket says.

import { alerts } from "./alerts.js";
import { BOARDS, SORTS } from "./board.js";
import { Column } from "./column.js";
import { Connection, writeBadge } from "./connection.js";
import { FilterPanel } from "./filter_panel.js";
import { followKeys } from "./keys.js";
import { LayoutPanel } from "./layout_panel.js";
import { openClient } from "./live.js";
import { followFocus, openToken } from "./open_token.js";
import { lookUp, Polled, search } from "./polled.js";
import { searchTextOf, toSearchText } from "./search_text.js";
import { isPlain, readSettings, requestOf, writeSettings } from "./settings.js";
import { Tabs } from "./tabs.js";

const MOST_WATCHES = 200;
const SEARCH_PAUSE = 250; // milliseconds after a letter, before every token is searched
const MINT = /^[1-9A-HJ-NP-Za-km-z]{32,44}$/;
const FOUND = { title: "Found", rule: "in every token", empty: "No token has this symbol, name or mint." };
const WATCHED = { title: "Watched", rule: "yours", empty: "Mark tokens with the star, and they stay here." };

const $ = (id) => document.getElementById(id);
const stored = {
  get: (key, fallback) => { try { return JSON.parse(localStorage.getItem(key)) ?? fallback; } catch { return fallback; } },
  set: (key, value) => { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* private mode: lasts for this visit */ } },
};

const watched = new Set(stored.get("watched", []));
// An address without settings is of somebody who comes back; what the address tells is shared.
let settings = readSettings(location.search || stored.get("settings", ""));
let searchText = "";

// Drawing: once a frame, and only columns that changed. All is read before anything is written.

const columns = new Map(); // by key: a board's name, "found" or "watched"
const waiting = new Set();

function schedule(column) {
  if (!waiting.size) requestAnimationFrame(drawWaiting);
  waiting.add(column);
}

function drawWaiting() {
  const due = [...waiting].filter((column) => columns.get(column.key) === column);
  waiting.clear();
  const now = Date.now();
  for (const column of due) column.measure();
  for (const column of due) column.draw(now);
}

setInterval(() => {
  connection.tick();
  if (document.hidden) return;
  for (const column of columns.values()) {
    column.isTickDue = true;
    schedule(column);
  }
  showPace();
}, 1000);

function showPace() {
  const items = live.itemsOf("new"), now = Date.now();
  const isWhole = settings.columns.some((column) => column.board === "new" && isPlain(column));
  const count = items && isWhole ? [...items.values()].filter((item) => now - Date.parse(item.firstSeenAt) < 60_000).length : 0;
  $("pace").hidden = !count;
  $("pace-count").textContent = count === items?.size && count >= 100 ? `${count}+` : count;
}

// What the columns show.

const actions = {
  schedule,
  watch: toggleWatch,
  open: openToken,
  isWatched: (mint) => watched.has(mint),
  edit: (key) => Object.hasOwn(BOARDS, key) && filterPanel.open(settings.columns.find(({ board }) => board === key)),
};

function isWanted(item) {
  return searchTextOf(item).includes(searchText) || item.mint.startsWith(settings.search);
}

/** Columns as the settings have them: those that are there stay, with all they hold. */
function arrangeColumns() {
  const wanted = settings.columns.map(({ board }) => board);
  if (settings.watched) wanted.unshift("watched");
  if (settings.search) wanted.unshift("found");
  for (const [key, column] of columns) {
    if (wanted.includes(key)) continue;
    column.remove();
    columns.delete(key);
    live.unfollow(key);
  }
  wanted.forEach((key, at) => {
    if (!columns.has(key)) columns.set(key, new Column(key, actions));
    const { element } = columns.get(key), there = $("boards").children[at];
    if (element !== there) $("boards").insertBefore(element, there ?? null);
    columns.get(key).setDensity(settings.density);
  });
  document.documentElement.dataset.density = settings.density;
  settings.columns.forEach(arrangeBoard);
  arrangeLists();
  tabs.arrange(wanted.map((key) => [key, { ...BOARDS, found: FOUND, watched: WATCHED }[key].title]));
}

function arrangeBoard(setting) {
  const { board, filters, sort } = setting, column = columns.get(board);
  const { title, rule, empty, sort: usual } = BOARDS[board];
  const narrowed = settings.search ? `Nothing here matches “${settings.search}”.` : isPlain(setting) ? empty : "No token passes these filters just now.";
  column.describe({ title, rule: sort === usual ? rule : `by ${SORTS[sort].title.toLowerCase()}`, filters: Object.keys(filters).length, empty: narrowed });
  column.setProblem(undefined);
  live.follow(board, requestOf(setting));
  column.rearrange({ sort, filter: searchText ? isWanted : null });
  column.update(live.itemsOf(board), null);
}

function arrangeLists() {
  const found = columns.get("found"), watchList = columns.get("watched");
  if (found) found.describe(FOUND);
  if (watchList) watchList.describe(WATCHED);
  found?.rearrange({ sort: "hot" });
  watchList?.rearrange({ sort: "recent" });
  if (!watchList) lists.watched.stop();
  else if (watched.size) lists.watched.ask((signal) => lookUp([...watched], signal));
  else {
    lists.watched.stop();
    watchList.update(new Map(), null);
  }
}

function showList(key) {
  return new Polled((items, problem) => {
    const column = columns.get(key);
    column?.setProblem(problem ?? undefined);
    if (items) column?.update(items, null);
  });
}
const lists = { found: showList("found"), watched: showList("watched") };

const badge = { element: $("link"), text: $("link-text"), detail: $("link-detail"), root: document.documentElement };
const connection = new Connection((told) => writeBadge(told, badge));
const live = openClient({
  onState: (...state) => connection.show(...state),
  onChange(key, mints) {
    const items = live.itemsOf(key);
    columns.get(key)?.update(items, mints);
    if (items) alerts.seeBoard(key, items, mints === null);
  },
  onRefused: (key, { reason }) => columns.get(key)?.setProblem(`The service does not serve this view: ${reason}`),
});
for (const mint of watched) live.watch(mint);

// Settings and the address.

/** Change a part of the settings; `isStep` makes it one that Back undoes. */
function change(part, isStep = true) {
  settings = { ...settings, ...part };
  writeAddress(isStep ? "pushState" : "replaceState");
  arrangeColumns();
}

function writeAddress(how) {
  history[how](null, "", `${location.pathname}${writeSettings(settings)}`);
  keepSettings();
}

function keepSettings() {
  stored.set("settings", writeSettings({ ...settings, search: "" }));
}

addEventListener("popstate", () => {
  settings = readSettings(location.search);
  keepSettings();
  showSettings();
});

function showSettings() {
  $("search").value = settings.search;
  $("only-watched").setAttribute("aria-pressed", settings.watched);
  takeSearch();
  arrangeColumns();
}

const filterPanel = new FilterPanel({
  stored,
  apply: (chosen) => change({ columns: settings.columns.map((column) => (column.board === chosen.board ? chosen : column)) }),
});
new LayoutPanel({ settings: () => settings, change });
const tabs = new Tabs($("tabs"), (key) => columns.get(key)?.element, () => columns);

// Search and watching.

let searching = 0;

function takeSearch() {
  searchText = toSearchText(settings.search);
  clearTimeout(searching);
  if (!settings.search) return lists.found.stop();
  searching = setTimeout(() => lists.found.ask((signal) => search(settings.search, signal)), SEARCH_PAUSE);
}

$("search").addEventListener("input", (event) => {
  const text = event.target.value.trim();
  const isStep = !settings.search !== !text; // one step back for a search, however many letters it has
  settings = { ...settings, search: text };
  takeSearch();
  change({}, isStep);
});
$("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && MINT.test(settings.search)) openToken(settings.search);
});
$("search").addEventListener("paste", (event) => {
  const text = event.clipboardData.getData("text").trim();
  if (MINT.test(text)) {
    event.preventDefault();
    openToken(text);
  }
});
$("only-watched").addEventListener("click", () => {
  change({ watched: !settings.watched });
  $("only-watched").setAttribute("aria-pressed", settings.watched);
});

function toggleWatch(mint) {
  const wanted = !watched.has(mint);
  if (wanted && watched.size >= MOST_WATCHES) setWatched(watched.values().next().value, false);
  setWatched(mint, wanted);
  stored.set("watched", [...watched]);
  dispatchEvent(new CustomEvent("watched-changed"));
  for (const column of columns.values()) schedule(column);
  if (settings.watched) arrangeLists();
}

function setWatched(mint, isWatched) {
  watched[isWatched ? "add" : "delete"](mint);
  live.watch(mint, isWatched);
}

/** A token's panel or another tab has changed what is watched. */
function takeWatched() {
  const kept = stored.get("watched", null), told = new Set(kept);
  if (!kept) return; // nothing can be kept here
  for (const mint of new Set([...watched, ...told])) if (watched.has(mint) !== told.has(mint)) toggleWatch(mint);
}
addEventListener("watched-changed", takeWatched);
addEventListener("storage", ({ key }) => key === "watched" && takeWatched());

// Theme and keys.

function showTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}
showTheme(stored.get("theme", null));
$("theme").addEventListener("click", () => {
  const isLight = matchMedia("(prefers-color-scheme: light)").matches;
  const shown = document.documentElement.dataset.theme ?? (isLight ? "light" : "dark");
  const theme = shown === "light" ? "dark" : "light";
  stored.set("theme", theme);
  showTheme(theme);
});

followKeys({ columns: () => [...$("boards").children].map(({ dataset }) => columns.get(dataset.board)), actions, search: $("search"), help: $("help") });
writeAddress("replaceState");
document.querySelector(".tools").append(alerts.makeButton({ class: "tool icon-only bell" }));
followFocus($("boards"));
showSettings();
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/service_worker.js").catch(() => { /* plain HTTP: no offline page */ });
