// The feed page: four boards, drawn at most once a frame from what the WebSocket says.

import { BOARDS, ordered } from "./board.js";
import { Card } from "./card.js";
import { searchTextOf, toSearchText } from "./search_text.js";
import { badgeOf } from "./health.js";
import { Live } from "./live.js";

const MOST_WATCHES = 200;
const $ = (id) => document.getElementById(id);
const stored = {
  get: (key, fallback) => { try { return JSON.parse(localStorage.getItem(key)) ?? fallback; } catch { return fallback; } },
  set: (key, value) => { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* private mode: lasts for this visit */ } },
};

const watched = new Set(stored.get("watched", []));
const filter = { text: "", searchText: "", onlyWatched: false };

class BoardView {
  constructor(name) {
    this.name = name;
    this.cards = new Map();
    this.dirty = new Set(); // mints to draw again
    this.element = $("board-template").content.firstElementChild.cloneNode(true);
    this.element.dataset.board = name;
    this.element.id = `board-${name}`;
    this.list = this.part(".cards");
    this.part("h2").textContent = BOARDS[name].title;
    this.part("h2").id = `title-${name}`;
    this.part(".rule").textContent = BOARDS[name].rule;
    this.element.setAttribute("aria-labelledby", `title-${name}`);
    this.element.addEventListener("pointerleave", () => schedule(this));
    $("boards").append(this.element);
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  /** Nothing moves away from under a mouse; values still change. */
  get isHeld() {
    return matchMedia("(hover: hover)").matches && this.list.matches(":hover");
  }

  draw() {
    const items = live.boards[this.name];
    if (!items) return;
    const now = Date.now();
    for (const mint of this.dirty) {
      const card = this.cards.get(mint), item = items.get(mint);
      if (card && item) card.show(item, now);
    }
    this.dirty.clear();
    const shown = ordered(this.name, items).filter(isWanted);
    const held = this.isHeld && this.cards.size > 0;
    this.part(".paused").hidden = !held || !this.differs(shown);
    if (!held) this.arrange(shown);
    this.part(".waiting").hidden = true;
    this.part(".count").textContent = shown.length;
    this.showEmpty(shown.length === 0 && this.cards.size === 0, items.size > 0);
  }

  differs(shown) {
    return shown.length !== this.cards.size || shown.some((item, at) => this.list.children[at]?.dataset.mint !== item.mint);
  }

  arrange(shown) {
    const wanted = new Set(shown.map((item) => item.mint));
    for (const [mint, card] of this.cards) {
      if (!wanted.has(mint)) {
        card.leave();
        this.cards.delete(mint);
      }
    }
    let place = this.list.firstElementChild;
    for (const item of shown) {
      const card = this.cards.get(item.mint) ?? this.add(item);
      if (card.element === place) place = place.nextElementSibling;
      else this.list.insertBefore(card.element, place);
    }
  }

  add(item) {
    const card = new Card(item, this.name, { watch: toggleWatch });
    card.element.dataset.mint = item.mint;
    card.showWatched(watched.has(item.mint));
    this.cards.set(item.mint, card);
    return card;
  }

  showEmpty(isEmpty, hasItems) {
    const text = !hasItems ? BOARDS[this.name].empty
      : filter.onlyWatched && !filter.text ? "You watch nothing here. Mark tokens with the star."
      : `Nothing here matches “${filter.text}”.`;
    const empty = this.part(".empty");
    empty.hidden = !isEmpty;
    if (empty.textContent !== text) empty.textContent = text;
  }
}

function isWanted(item) {
  if (filter.onlyWatched && !watched.has(item.mint)) return false;
  return !filter.searchText || searchTextOf(item).includes(filter.searchText) || item.mint.startsWith(filter.text);
}

// Drawing: once a frame, and only boards that changed.

const views = Object.fromEntries(Object.keys(BOARDS).map((name) => [name, new BoardView(name)]));
const waiting = new Set();

function schedule(view) {
  if (!waiting.size) requestAnimationFrame(drawWaiting);
  waiting.add(view);
}

function drawWaiting() {
  const due = [...waiting];
  waiting.clear();
  for (const view of due) view.draw();
}

setInterval(() => {
  if (document.hidden) return;
  const now = Date.now();
  for (const view of Object.values(views)) for (const card of view.cards.values()) card.tick(now);
  showPace(now);
}, 1000);

function showPace(now) {
  const items = live.boards.new;
  const count = items ? [...items.values()].filter((item) => now - Date.parse(item.firstSeenAt) < 60_000).length : 0;
  $("pace").hidden = !count;
  $("pace-count").textContent = count === items?.size && count >= 100 ? `${count}+` : count;
}

// Watching.

function toggleWatch(mint) {
  const wanted = !watched.has(mint);
  if (wanted && watched.size >= MOST_WATCHES) setWatched(watched.values().next().value, false);
  setWatched(mint, wanted);
  stored.set("watched", [...watched]);
}

function setWatched(mint, wanted) {
  live.watch(mint, wanted); // in `watched`, too: it is one set
  for (const view of Object.values(views)) {
    view.cards.get(mint)?.showWatched(wanted);
    if (filter.onlyWatched) schedule(view);
  }
}

// The connection, as told to the reader.

const BADGES = {
  connecting: () => ({ state: "connecting", text: "Connecting", title: "" }),
  waiting: (milliseconds) => ({ state: "waiting", text: "Reconnecting", title: `Next attempt in ${Math.ceil(milliseconds / 1000)} s` }),
  offline: () => ({ state: "offline", text: "Offline", title: "" }),
  silent: (since) => ({ state: "waiting", text: `No answer since ${new Date(since).toTimeString().slice(0, 8)}`, title: "" }),
  heard: badgeOf,
};

function showState(state, detail) {
  const badge = BADGES[state](detail);
  const { dataset } = $("link");
  if (dataset.state !== badge.state) dataset.state = badge.state;
  if ($("link").title !== badge.title) $("link").title = badge.title;
  // Only when it changes: it is read aloud.
  if ($("link-text").textContent !== badge.text) $("link-text").textContent = badge.text;
}

const live = new Live({
  onState: showState,
  onChange(board, mints) {
    const view = views[board];
    // Only what is on the page: while nobody looks, nothing is drawn, and this must not grow.
    for (const mint of mints ?? view.cards.keys()) if (view.cards.has(mint)) view.dirty.add(mint);
    schedule(view);
  },
});
live.watched = watched;

// Filter, theme, tabs and keys.

$("search").addEventListener("input", (event) => {
  filter.text = event.target.value.trim();
  filter.searchText = toSearchText(filter.text);
  Object.values(views).forEach(schedule);
});
$("only-watched").addEventListener("click", (event) => {
  filter.onlyWatched = !filter.onlyWatched;
  event.currentTarget.setAttribute("aria-pressed", filter.onlyWatched);
  Object.values(views).forEach(schedule);
});

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

const tabs = Object.entries(BOARDS).map(([name, { title }]) => {
  const tab = document.createElement("button");
  Object.assign(tab, { type: "button", textContent: title, id: `tab-${name}` });
  tab.setAttribute("role", "tab");
  tab.setAttribute("aria-controls", `board-${name}`);
  tab.style.setProperty("--tab-colour", getComputedStyle(views[name].element).getPropertyValue("--board-colour"));
  tab.addEventListener("click", () => select(name));
  $("tabs").append(tab);
  return [name, tab];
});

function select(name) {
  for (const [other, tab] of tabs) {
    tab.setAttribute("aria-selected", other === name);
    tab.tabIndex = other === name ? 0 : -1;
    views[other].element.classList.toggle("shown", other === name);
  }
  if (matchMedia("(max-width: 720px)").matches) scrollTo(0, 0);
}
select("new");

$("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const at = tabs.findIndex(([, tab]) => tab === document.activeElement);
  const [name, tab] = tabs[(at + step + tabs.length) % tabs.length];
  select(name);
  tab.focus();
});

addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== $("search")) {
    event.preventDefault();
    $("search").focus();
  } else if (event.key === "Escape" && document.activeElement === $("search")) {
    $("search").value = "";
    $("search").dispatchEvent(new Event("input"));
    $("search").blur();
  }
});
