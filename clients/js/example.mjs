// Print the hottest token whenever it is another one: node example.mjs http://localhost:8080
import { follow, sortItems } from "./index.js";

let shown = null;
for await (const { items } of follow(process.argv[2], { boards: ["hot"] })) {
  const [hottest] = sortItems(items.values(), "hot");
  if (hottest && hottest.mint !== shown) {
    shown = hottest.mint;
    console.log(hottest.symbol, hottest.hotScore);
  }
}
