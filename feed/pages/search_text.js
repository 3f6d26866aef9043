// Texts as searches compare them: feed/search_text.py, for the page's own filter.

const INVISIBLE = /[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]/g;
const ANY_I = /i\u0307+|\u0131\u0307*/g; // dotted twice, or dotless

/** What looks alike becomes alike: forms, widths and cases of letters, white space. */
export function toSearchText(text) {
  // Lower, upper, lower again: JavaScript has no case folding, and this is the same for letters.
  const caseless = text.replace(INVISIBLE, "").normalize("NFKC").toLowerCase().toUpperCase().toLowerCase();
  return caseless.replaceAll("ς", "σ").replace(ANY_I, "i").normalize("NFKC").split(/\s+/).filter(Boolean).join(" ");
}

const made = new WeakMap(); // an item that changes is another object

/** An item's symbol and name as search text, made once. */
export function searchTextOf(item) {
  if (!made.has(item)) made.set(item, `${toSearchText(item.symbol ?? "")}\n${toSearchText(item.name ?? "")}`);
  return made.get(item);
}
