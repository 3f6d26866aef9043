// Shown in the place of a page that could not be loaded: looks whether the service is back.

const EVERY = 10; // seconds
const $ = (id) => document.getElementById(id);
let left = EVERY;

$("again").href = location.href;

async function look() {
  try {
    const answer = await fetch("/livez", { cache: "no-store", signal: AbortSignal.timeout(5_000) });
    if (answer.ok) return location.reload();
  } catch { /* still away */ }
  left = EVERY;
}

setInterval(() => {
  left -= 1;
  $("wait").textContent = left > 0 ? `Looks again in ${left} s` : "Looking …";
  if (left === 0) look();
}, 1000);
addEventListener("online", look);
