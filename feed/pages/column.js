// One column: the rows that are in view, out of any number, drawn at most once a frame.
//
// A row's place is a translation: neither a change of order nor scrolling lays anything out anew.
// Rows are used again. While the reader points, or has scrolled away from the top, nothing moves.

import { BOARDS } from "./board.js";
import { Card } from "./card.js";
import { sortItems } from "./client.js";

export const ROW_HEIGHTS = { full: 132, compact: 56 }; // pixels, as feed.css has them
const BEYOND = 2; // rows drawn above and below what is in view
const SPARE = 12; // rows kept for other tokens
// Of the time, the share for which a column may be sorted, and the longest rest after it in milliseconds;
// values are drawn in every frame.
const SORT_SHARE = 0.05, LONGEST_REST = 100;

export class Column {
  /** `actions`: `watch(mint)`, `open(mint)`, `schedule(column)`, `isWatched(mint)`, `edit(key)`. */
  constructor(key, actions) {
    this.key = key;
    this.actions = actions;
    this.items = null; // Map by mint; null while nothing is known
    this.sort = "hot";
    this.order = []; // items, as they stand
    this.cards = new Map(); // by mint, those in view
    this.spare = [];
    this.dirty = new Set(); // mints to show again
    this.active = null; // mint that Tab comes to
    this.timer = null;
    this.wanted = null; // mint that is to get the focus when it is drawn
    this.restsUntil = 0; // from sorting
    this.height = 0; // of what is in view, and how far it is scrolled: pixels
    this.top = 0;
    this.rowHeight = ROW_HEIGHTS.full;
    Object.assign(this, { isPointed: false, isScrolled: false, isForced: false, isOrderDue: false, isTickDue: false, emptyText: "" });
    this.build();
  }

  build() {
    this.element = document.getElementById("column-template").content.firstElementChild.cloneNode(true);
    this.element.dataset.board = this.key;
    this.element.id = `board-${this.key}`;
    this.scroller = this.part(".scroller");
    this.rows = this.part(".rows");
    this.part("h2").id = `title-${this.key}`;
    this.element.setAttribute("aria-labelledby", `title-${this.key}`);
    this.rows.setAttribute("aria-labelledby", `title-${this.key}`);
    this.scroller.addEventListener("scroll", () => {
      this.isScrolled = true;
      this.actions.schedule(this);
    }, { passive: true });
    this.scroller.addEventListener("pointerenter", (event) => { this.isPointed = event.pointerType === "mouse"; });
    this.scroller.addEventListener("pointerleave", () => { this.isPointed = false; this.actions.schedule(this); });
    this.rows.addEventListener("click", (event) => this.click(event));
    this.rows.addEventListener("focusin", (event) => this.activate(event.target.closest(".card")?.dataset.mint));
    this.part(".held").addEventListener("click", () => this.release());
    this.part(".edit").hidden = !Object.hasOwn(BOARDS, this.key);
    this.part(".edit").addEventListener("click", () => this.actions.edit(this.key));
    this.watchSize = new ResizeObserver(([entry]) => {
      this.height = entry.contentRect.height;
      this.actions.schedule(this);
    });
    this.watchSize.observe(this.scroller);
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  remove() {
    this.watchSize.disconnect();
    this.element.remove();
  }

  /** Title, rule and how many filters narrow it. */
  describe({ title, rule, filters, empty }) {
    this.part("h2").textContent = title;
    this.part(".rule").textContent = rule;
    this.part(".edit b").textContent = filters || "";
    this.part(".edit").classList.toggle("narrowed", filters > 0);
    this.part(".edit").setAttribute("aria-label", `Filters and order of ${title}${filters ? `: ${filters} set` : ""}`);
    this.emptyText = empty;
  }

  /** What it shows from now on, or null; `mints` are those that changed, null for all. */
  update(items, mints) {
    if (this.items !== items) {
      this.items = items;
      mints = null;
      if (!items) this.order = [];
    }
    this.isOrderDue = true;
    for (const mint of mints ?? this.cards.keys()) if (this.cards.has(mint)) this.dirty.add(mint);
    this.actions.schedule(this);
  }

  /** The same values in another order, or narrowed otherwise. */
  rearrange({ sort = this.sort, filter = this.filter } = {}) {
    Object.assign(this, { sort, filter, isOrderDue: true, isForced: true });
    this.actions.schedule(this);
  }

  setDensity(density) {
    this.rowHeight = ROW_HEIGHTS[density];
    this.actions.schedule(this);
  }

  get isHeld() {
    return this.order.length > 0 && (this.isPointed || this.top > this.rowHeight / 2);
  }

  /** Back to the top, and to the order of now. */
  release() {
    this.isForced = true;
    this.isOrderDue = true;
    this.scroller.scrollTop = 0;
    this.actions.schedule(this);
  }

  /** Before anything is written in a frame, and only where it was scrolled: nothing else is read of the page. */
  measure() {
    if (!this.isScrolled) return;
    this.isScrolled = false;
    this.top = this.scroller.scrollTop;
  }

  draw(now) {
    if (this.isOrderDue) this.arrange();
    const from = Math.max(0, Math.floor(this.top / this.rowHeight) - BEYOND);
    const until = Math.min(this.order.length, Math.ceil((this.top + this.height) / this.rowHeight) + BEYOND);
    const shown = this.order.slice(from, until);
    // Tab comes to the active row, or to the first in view.
    const first = this.order[Math.min(this.order.length - 1, Math.ceil(this.top / this.rowHeight))];
    this.tabStop = shown.some(({ mint }) => mint === this.active) ? this.active : first?.mint;
    this.recycle(shown);
    shown.forEach((item, at) => this.drawRow(item, from + at, now));
    this.dirty.clear();
    this.isTickDue = false;
    if (this.drawnRows !== this.order.length * this.rowHeight) {
      this.drawnRows = this.order.length * this.rowHeight;
      this.rows.style.height = `${this.drawnRows}px`;
    }
    this.drawWords();
  }

  /** Sort again, unless the reader holds the column, or it has to rest. */
  arrange() {
    if (!this.items) return;
    if (this.isHeld && !this.isForced) return;
    const began = performance.now();
    if (began < this.restsUntil && !this.isForced) return this.arrangeLater(this.restsUntil - began);
    this.isOrderDue = this.isForced = false;
    const items = this.filter ? [...this.items.values()].filter(this.filter) : this.items.values();
    this.order = sortItems(items, this.sort);
    const ended = performance.now();
    this.restsUntil = ended + Math.min((ended - began) / SORT_SHARE, LONGEST_REST);
  }

  arrangeLater(milliseconds) {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.actions.schedule(this);
    }, milliseconds);
  }

  /** Let go of the rows that are not in view; the one that has the focus stays at hand. */
  recycle(shown) {
    const wanted = new Set(shown.map(({ mint }) => mint));
    for (const [mint, card] of this.cards) {
      if (wanted.has(mint)) continue;
      this.cards.delete(mint);
      if (card.element.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
      card.element.remove();
      if (this.spare.length < SPARE) this.spare.push(card);
    }
  }

  drawRow(ordered, position, now) {
    const item = this.items.get(ordered.mint) ?? ordered; // what has left stays while it is held
    let card = this.cards.get(item.mint);
    if (!card) {
      card = this.spare.pop() ?? new Card(this.actions);
      card.take(item, this.key, now);
      this.cards.set(item.mint, card);
      this.rows.append(card.element);
    } else {
      if (this.dirty.has(item.mint)) card.show(item, now);
      if (this.isTickDue) card.tick(now);
    }
    card.showWatched(this.actions.isWatched(item.mint));
    card.place(position, this.order.length, position * this.rowHeight);
    card.setActive(item.mint === this.tabStop);
    if (this.wanted === item.mint) {
      this.wanted = null;
      card.element.focus({ preventScroll: true });
    }
  }

  drawWords() {
    const isKnown = this.items !== null;
    this.write("held", !(this.isHeld && this.isOrderDue), (hidden) => { this.part(".held").hidden = hidden; });
    this.write("waiting", isKnown || this.problem !== undefined, (hidden) => { this.part(".waiting").hidden = hidden; });
    this.write("busy", !this.order.length, (isBusy) => this.rows.setAttribute("aria-busy", isBusy));
    this.write("count", isKnown ? this.order.length : "", (count) => { this.part(".count").textContent = count; });
    const text = this.problem ?? (isKnown && !this.order.length ? this.emptyText : "");
    this.write("empty", text, () => {
      this.part(".empty").hidden = !text;
      this.part(".empty").textContent = text;
    });
  }

  /** The service does not serve what is asked: say why. */
  setProblem(text) {
    this.problem = text;
    this.actions.schedule(this);
  }

  write(name, value, write) {
    this.written ??= {};
    if (this.written[name] === value) return;
    this.written[name] = value;
    write(value);
  }

  // The reader.

  click(event) {
    const card = event.target.closest(".card");
    const isPlain = !event.ctrlKey && !event.metaKey && !event.shiftKey;
    const link = event.target.closest("a, button");
    if (!card || (link && !(isPlain && link.classList.contains("open")))) return;
    event.preventDefault();
    this.actions.open(card.dataset.mint);
  }

  activate(mint) {
    if (!mint || this.active === mint) return;
    this.active = mint;
    this.actions.schedule(this);
  }

  /** Move the focus by so many rows, to the row that is active where it is none; false if there is none. */
  step(rows) {
    if (!this.order.length) return false;
    const at = this.order.findIndex(({ mint }) => mint === this.active);
    const hasFocus = this.rows.contains(document.activeElement);
    const next = at < 0 ? 0 : Math.min(this.order.length - 1, Math.max(0, at + (hasFocus ? rows : 0)));
    this.active = this.wanted = this.order[next].mint;
    const top = next * this.rowHeight;
    if (top < this.top) this.scroller.scrollTop = top;
    else if (top + this.rowHeight > this.top + this.height) this.scroller.scrollTop = top + this.rowHeight - this.height;
    this.actions.schedule(this);
    return true;
  }
}
