// A token's view at the side of another page: Esc closes it, and the focus goes back to where it was.

import { icon, loadStyle, make } from "./token_parts.js";
import { TokenView } from "./token_view.js";

const STYLE = "/assets/token.css";

let open = null; // { mint, view, element, before }

/** Open the panel for a token, in the place of the one that is open; it takes the focus unless told otherwise. `onClose` is called when it is closed. */
export function openTokenPanel(mint, { onClose, takesFocus = true } = {}) {
  if (open?.mint === mint) return void (takesFocus && open.element.focus({ preventScroll: true }));
  const isInside = open?.element.contains(document.activeElement);
  const before = isInside ? open.before : document.activeElement;
  remove();
  loadStyle(STYLE);
  const state = make("span", { class: "panel-state", role: "status" });
  const view = new TokenView(mint, { headingLevel: 2, onState: ({ text }) => state.textContent === text || (state.textContent = text) });
  const close = make("button", { type: "button", class: "icon-button", "aria-label": "Close the panel", title: "Close (Esc)" }, icon("close"));
  const page = make("a", { class: "icon-button", href: `/token/${mint}`, "aria-label": "Open the token's page", title: "Open the token's page" }, icon("open"));
  const element = make("aside", { class: "token-panel", tabIndex: -1, "aria-label": "Token" }, make("header", { class: "panel-head" }, state, page, close), view.element);
  open = { mint, view, element, before, onClose };
  close.addEventListener("click", closeTokenPanel);
  document.body.append(element);
  if (takesFocus) element.focus({ preventScroll: true });
}

/** Close the panel, if one is open; true if one was. */
export function closeTokenPanel() {
  if (!open) return false;
  const { before, onClose } = open, hadFocus = open.element.contains(document.activeElement);
  remove();
  if (hadFocus && before?.isConnected) before.focus({ preventScroll: true });
  onClose?.();
  return true;
}

/** The mint that the panel shows; null while it is closed. */
export const openedMint = () => open?.mint ?? null;

// Before the page's own keys: Esc closes, w watches, and j and k go on from where the panel was opened.
addEventListener("keydown", (event) => {
  if (!open || event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input, textarea, select") || document.querySelector("dialog[open]")) return;
  const isInside = open.element.contains(event.target);
  if (event.key === "Escape") closeTokenPanel();
  else if (event.key === "w" && isInside) open.view.toggleWatch();
  else {
    if (isInside && (event.key === "j" || event.key === "k") && open.before?.isConnected) open.before.focus({ preventScroll: true });
    return; // the page steps on
  }
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

function remove() {
  open?.view.close();
  open?.element.remove();
  open = null;
}
