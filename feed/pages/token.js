// The page of one token.

import { setPageTitle } from "./alerts.js";
import { TokenView } from "./token_view.js";
import { price, symbolOf } from "./token_words.js";

const $ = (id) => document.getElementById(id);
const mint = location.pathname.split("/").pop();

let theme = null;
try {
  theme = JSON.parse(localStorage.getItem("theme"));
} catch { /* none is kept */ }
if (theme) document.documentElement.dataset.theme = theme;

const view = new TokenView(mint, {
  headingLevel: 1,
  onState({ state, text, title }) {
    $("link").dataset.state = state;
    $("link").title = title;
    if ($("link-text").textContent !== text) $("link-text").textContent = text; // read aloud
  },
  onItem(item) {
    const figure = item?.priceUsd === null || !item ? "" : ` ${price(item.priceUsd)}`;
    setPageTitle(`${symbolOf(item ?? { mint })}${figure} · Token discovery`);
  },
});
$("token").append(view.element);
