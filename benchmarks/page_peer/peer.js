// The peer of the feed page: the same client and the same figures, every row of a changed board drawn anew in the next frame.

import { BOARDS, Client, sortItems } from "/assets/client.js";
import { change, compact, dollars, duration, percent, price } from "/assets/token_words.js";

const FIGURES = [
  ({ symbol }) => symbol, ({ name }) => name, ({ marketCapUsd }) => dollars(marketCapUsd), ({ priceUsd }) => price(priceUsd),
  ({ firstSeenAt }) => duration((Date.now() - Date.parse(firstSeenAt)) / 1000), ({ priceChange5m }) => change(priceChange5m),
  ({ priceChange1h }) => change(priceChange1h), ({ buys1h }) => compact(buys1h), ({ sells1h }) => compact(sells1h), ({ volume1h }) => dollars(volume1h),
  ({ liquidityUsd }) => dollars(liquidityUsd), ({ holderCount }) => compact(holderCount), ({ topHoldersPercent }) => percent(topHoldersPercent),
  ({ devBalancePercent }) => percent(devBalancePercent), ({ bondingCurveProgress }) => percent(bondingCurveProgress),
];
const waiting = new Set();

function makeRow(item) {
  const row = document.createElement("article");
  row.className = "card";
  row.dataset.mint = item.mint;
  for (const figure of FIGURES) {
    const part = document.createElement("span");
    part.textContent = figure(item);
    row.append(part);
  }
  return row;
}

function draw() {
  for (const board of waiting) {
    document.getElementById(`board-${board}`).replaceChildren(...sortItems(client.itemsOf(board).values(), board).map(makeRow));
  }
  waiting.clear();
}

const client = new Client(location.origin, {
  heartbeat: true,
  onChange(board) {
    if (!waiting.size) requestAnimationFrame(draw);
    waiting.add(board);
  },
});
for (const board of BOARDS) client.follow(board, { board });
