// On a phone one column is shown at a time, and tabs choose it.

export class Tabs {
  /** `elementOf(key)` is a column's element; `columns()` all of them by key. */
  constructor(list, elementOf, columns) {
    Object.assign(this, { list, elementOf, columns, chosen: null });
    list.addEventListener("keydown", (event) => this.turn(event));
  }

  /** Tabs for these `[key, title]`; the one that is chosen stays so, a new one at the front is chosen. */
  arrange(wanted) {
    const keys = wanted.map(([key]) => key);
    const isNewAtFront = this.keys && keys[0] !== this.keys[0] && !this.keys.includes(keys[0]);
    this.keys = keys;
    this.list.replaceChildren(...wanted.map(([key, title]) => this.make(key, title)));
    this.choose(!keys.includes(this.chosen) || isNewAtFront ? keys[0] : this.chosen);
  }

  make(key, title) {
    const tab = document.createElement("button");
    Object.assign(tab, { type: "button", textContent: title, id: `tab-${key}` });
    tab.dataset.board = key;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", `board-${key}`);
    tab.addEventListener("click", () => this.choose(key));
    return tab;
  }

  choose(chosen) {
    this.chosen = chosen;
    for (const tab of this.list.children) {
      const key = tab.dataset.board;
      tab.setAttribute("aria-selected", key === chosen);
      tab.tabIndex = key === chosen ? 0 : -1;
      this.elementOf(key)?.classList.toggle("shown", key === chosen);
    }
  }

  turn(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = this.keys.indexOf(this.chosen);
    this.choose(this.keys[(at + step + this.keys.length) % this.keys.length]);
    this.list.querySelector("[aria-selected=true]").focus();
  }
}
