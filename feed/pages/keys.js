// The keyboard: j/k along a column, h/l between columns, Enter opens, w watches, / searches.

const ALONG = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: 5, PageUp: -5, Home: -Infinity, End: Infinity };
const ACROSS = { l: 1, ArrowRight: 1, h: -1, ArrowLeft: -1 };

/** `columns()` are those of the page in order; `search` and `help` are elements. */
export function followKeys({ columns, actions, search, help }) {
  document.getElementById("help-open").addEventListener("click", () => help.showModal());
  document.getElementById("help-close").addEventListener("click", () => help.close());

  const cardOf = () => document.activeElement?.closest?.(".card");
  const isShown = (column) => column.element.checkVisibility();

  function stepAcross(step) {
    const shown = columns().filter(isShown);
    const at = shown.findIndex(({ element }) => element.contains(document.activeElement));
    const next = shown[at < 0 ? 0 : at + step];
    next?.step(0);
  }

  function stepAlong(step) {
    const shown = columns().filter(isShown);
    (shown.find(({ element }) => element.contains(document.activeElement)) ?? shown[0])?.step(step);
  }

  function act(event) {
    const { key } = event, card = cardOf();
    if (key === "/") search.focus();
    else if (key === "?") help.showModal();
    else if (key in ALONG && (card || key.length === 1)) stepAlong(ALONG[key]);
    else if (key in ACROSS && (card || key.length === 1)) stepAcross(ACROSS[key]);
    else if (key === "Enter" && card === event.target) actions.open(card.dataset.mint);
    else if (key === "w" && card) actions.watch(card.dataset.mint);
    else if (key === "f") actions.edit((card?.closest(".board") ?? columns().find(isShown).element).dataset.board);
    else if (key === "Escape" && card) document.activeElement.blur();
    else return;
    event.preventDefault();
  }

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target === search) {
      if (event.key !== "Escape") return;
      search.value = "";
      search.dispatchEvent(new Event("input"));
      search.blur();
    } else if (!event.target.matches("input, select, textarea, [role=tab]")) act(event);
  });
}
