// How a token is opened: at the side of the page, or its own page where that would be all of the screen.

import { openedMint, openTokenPanel } from "./token_panel.js";

const SMALL = matchMedia("(max-width: 720px)");

export function openToken(mint) {
  if (SMALL.matches) location.assign(`/token/${mint}`);
  else openTokenPanel(mint);
}

/** While the panel is open it follows the cards that get the focus, in `boards`. */
export function followFocus(boards) {
  boards.addEventListener("focusin", ({ target }) => {
    const mint = target.closest(".card")?.dataset.mint;
    if (mint && openedMint()) openTokenPanel(mint, { takesFocus: false });
  });
}
