// The panel in which columns are shown, hidden and ordered, and the density of cards is chosen.

import { BOARDS } from "./board.js";
import { plainColumn } from "./settings.js";

const $ = (id) => document.getElementById(id);

export class LayoutPanel {
  /** `settings()` tells them, `change(part)` changes a part of them. */
  constructor({ settings, change }) {
    Object.assign(this, { settings, change, dialog: $("layout"), list: $("layout-columns") });
    $("layout-open").addEventListener("click", () => this.open());
    $("layout-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    for (const choice of document.querySelectorAll("input[name=density]")) {
      choice.addEventListener("change", () => this.change({ density: choice.value }));
    }
  }

  open() {
    this.fill();
    this.dialog.showModal();
  }

  fill() {
    const { columns, density } = this.settings();
    const shown = columns.map(({ board }) => board);
    const boards = [...shown, ...Object.keys(BOARDS).filter((board) => !shown.includes(board))];
    this.list.replaceChildren(...boards.map((board) => this.makeRow(board, shown)));
    for (const choice of document.querySelectorAll("input[name=density]")) choice.checked = choice.value === density;
  }

  makeRow(board, shown) {
    const row = document.getElementById("layout-row").content.firstElementChild.cloneNode(true);
    const box = row.querySelector("input"), [earlier, later] = row.querySelectorAll("button");
    const at = shown.indexOf(board), { title } = BOARDS[board];
    row.querySelector("span").textContent = title;
    box.checked = at >= 0;
    box.disabled = at >= 0 && shown.length === 1;
    box.addEventListener("change", () => this.toggle(board));
    earlier.setAttribute("aria-label", `${title} further to the left`);
    later.setAttribute("aria-label", `${title} further to the right`);
    earlier.disabled = at <= 0;
    later.disabled = at < 0 || at === shown.length - 1;
    earlier.addEventListener("click", () => this.move(at, -1));
    later.addEventListener("click", () => this.move(at, 1));
    return row;
  }

  toggle(board) {
    const { columns } = this.settings();
    const kept = columns.filter((column) => column.board !== board);
    this.change({ columns: kept.length < columns.length ? kept : [...columns, plainColumn(board)] });
    this.fill();
  }

  move(at, step) {
    const columns = [...this.settings().columns];
    const [moved] = columns.splice(at, 1);
    columns.splice(at + step, 0, moved);
    this.change({ columns });
    this.fill();
    this.list.children[at + step].querySelectorAll("button")[step > 0 ? 1 : 0].focus();
  }
}
