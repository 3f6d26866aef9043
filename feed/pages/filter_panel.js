// The panel in which a column gets its filters, its order and its place, and presets are kept.

import { BOARDS, SORTS } from "./board.js";
import { isPlain, NUMBERS, PADS, plainColumn, readFilter, SWITCHES } from "./settings.js";

const MOST_PRESETS = 30;
const GIVEN = {
  "Moving now": { filters: { minVolume5m: 1000, minBuys5m: 10, maxWashScore: 0.5 }, sort: "volume" },
  "Fresh and bought": { filters: { maxAge: 15, minBuys5m: 20 }, sort: "new" },
  "Careful": { filters: { requireSecurity: true, maxTop10Holders: 30, maxDevBalance: 5, minLiquidityUsd: 5000, minHolders: 100 }, sort: "hot" },
};

const $ = (id) => document.getElementById(id);

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

export class FilterPanel {
  /** `apply(column)` takes what was chosen for a column; `move(board, step)`; `stored` keeps presets. */
  constructor({ apply, stored }) {
    this.dialog = $("filters");
    this.form = $("filters-form");
    this.apply = apply;
    this.stored = stored;
    this.build();
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.apply(this.read());
      this.dialog.close();
    });
    $("filters-close").addEventListener("click", () => this.dialog.close());
    $("filters-clear").addEventListener("click", () => this.fill(plainColumn(this.board)));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    $("preset").addEventListener("change", () => this.choosePreset());
    $("preset-save").addEventListener("click", () => this.savePreset());
    $("preset-forget").addEventListener("click", () => this.forgetPreset());
  }

  build() {
    for (const [name, { title }] of Object.entries(SORTS)) $("filters-sort").append(make("option", { value: name, textContent: title }));
    for (const { title, rows } of NUMBERS) {
      const group = make("fieldset", {}, make("legend", { textContent: title }));
      for (const row of rows) group.append(this.buildRow(row));
      $("filters-fields").append(group);
    }
    const check = (name, value, text) => make("label", { className: "check" }, make("input", { type: "checkbox", name, value }), make("span", { textContent: text }));
    $("filters-fields").append(
      make("fieldset", {}, make("legend", { textContent: "Launchpad" }), make("div", { className: "checks" }, ...PADS.map(([pad, text]) => check("launchpad", pad, text)))),
      make("fieldset", {}, make("legend", { textContent: "Must have" }), make("div", { className: "checks" }, ...SWITCHES.map(([name, text]) => check(name, "true", text)))),
    );
  }

  buildRow({ label, unit, names }) {
    const fields = names.map(([name, text]) => {
      const input = make("input", { name, type: "number", step: "any", inputMode: "decimal", placeholder: text });
      input.setAttribute("aria-label", `${label}, ${text}${unit && `, ${unit}`}`);
      return input;
    });
    return make("div", { className: "range" }, make("span", { className: "range-name", textContent: label }, make("small", { textContent: unit })), ...fields);
  }

  open(column) {
    this.board = column.board;
    $("filters-title").textContent = `Column ${BOARDS[column.board].title}`;
    this.say("");
    this.fill(column);
    this.listPresets();
    this.dialog.showModal();
  }

  fill({ filters, sort }) {
    $("filters-sort").value = sort;
    const pads = (filters.launchpad ?? "").split(",");
    for (const input of this.form.elements) {
      if (!input.name || input.id) continue;
      if (input.name === "launchpad") input.checked = pads.includes(input.value);
      else if (input.type === "checkbox") input.checked = filters[input.name] === true;
      else input.value = filters[input.name] ?? "";
    }
  }

  read() {
    const filters = {}, pads = [];
    for (const input of this.form.elements) {
      if (!input.name || input.id || (input.type === "checkbox" && !input.checked)) continue;
      if (input.name === "launchpad") pads.push(input.value);
      else {
        const value = readFilter(input.name, input.value);
        if (value !== undefined) filters[input.name] = value;
      }
    }
    if (pads.length) filters.launchpad = pads.join(",");
    return { board: this.board, filters, sort: $("filters-sort").value };
  }

  /** What the service has against the filters, or what has been done, in words. */
  say(text) {
    $("filters-say").textContent = text;
  }

  // Presets.

  get presets() {
    return this.stored.get("presets", {});
  }

  listPresets(chosen = "") {
    const own = Object.keys(this.presets);
    const options = (names) => names.map((name) => make("option", { value: name, textContent: name }));
    const groups = [make("option", { value: "", textContent: "Choose …" }), make("optgroup", { label: "Given" }, ...options(Object.keys(GIVEN)))];
    if (own.length) groups.push(make("optgroup", { label: "Yours" }, ...options(own)));
    $("preset").replaceChildren(...groups);
    $("preset").value = chosen;
    $("preset-forget").hidden = !Object.hasOwn(this.presets, chosen);
  }

  choosePreset() {
    const name = $("preset").value, { presets } = this;
    const preset = Object.hasOwn(presets, name) ? presets[name] : GIVEN[name];
    $("preset-forget").hidden = !Object.hasOwn(presets, name);
    if (preset) this.fill(preset);
  }

  savePreset() {
    const name = $("preset-name").value.trim(), { filters, sort } = this.read();
    if (!name) return this.say("Give the preset a name first.");
    if (Object.hasOwn(GIVEN, name)) return this.say("That name is taken by a preset that is given.");
    if (isPlain({ board: this.board, filters, sort })) return this.say("Nothing is set that could be kept.");
    const presets = { ...this.presets, [name]: { filters, sort } };
    if (Object.keys(presets).length > MOST_PRESETS) return this.say(`There are ${MOST_PRESETS} presets: forget one first.`);
    this.stored.set("presets", presets);
    $("preset-name").value = "";
    this.listPresets(name);
    this.say(`Saved as ${name}.`);
  }

  forgetPreset() {
    const { [$("preset").value]: forgotten, ...rest } = this.presets;
    this.stored.set("presets", rest);
    this.listPresets();
    this.say("Forgotten.");
  }
}
