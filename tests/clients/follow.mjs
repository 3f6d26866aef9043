// Many JavaScript clients: node follow.mjs URL CLIENTS VIEW. The lines are those of follow.py.
import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { follow } from "../../clients/js/index.js";

const [url, clients, view] = process.argv.slice(2);
const wanted = { boards: ["new", "hot"], views: { view: JSON.parse(view) } };

function digest(items) {
  const texts = [...items].map(([mint, item]) => `${mint}=${item.holderCount}`);
  return createHash("sha1").update(texts.sort().join(" ")).digest("hex");
}

async function report(client) {
  for await (const { board, items, epoch, offset } of follow(url, wanted)) {
    console.log(client, board, epoch, offset, digest(items));
    if (client % 4 === 0) await setTimeout(200);
  }
}

await Promise.all(Array.from({ length: Number(clients) }, (_, client) => report(client)));
