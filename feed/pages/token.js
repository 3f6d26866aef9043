// The page of one token.

import { setPageTitle } from "./alerts.js";
import { writeBadge } from "./connection.js";
import { TokenView } from "./token_view.js";
import { price, symbolOf } from "./token_words.js";

const $ = (id) => document.getElementById(id);
const mint = location.pathname.split("/").pop();

let theme = null;
try {
  theme = JSON.parse(localStorage.getItem("theme"));
} catch { /* none is kept */ }
if (theme) document.documentElement.dataset.theme = theme;

const badge = { element: $("link"), text: $("link-text"), detail: $("link-detail") };
const view = new TokenView(mint, {
  headingLevel: 1,
  onState: (told) => writeBadge(told, badge),
  onItem(item) {
    const figure = item?.priceUsd === null || !item ? "" : ` ${price(item.priceUsd)}`;
    setPageTitle(`${symbolOf(item ?? { mint })}${figure} · Token discovery`);
  },
});
$("token").append(view.element);
