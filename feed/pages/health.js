// The service's health in words: what both pages show beside their title.

const clock = (moment) => new Date(moment).toTimeString().slice(0, 8);
const NAMES = { redis: "Redis", postgres: "Postgres" };
const nameOf = (name) => NAMES[name] ?? name;

/** "Redis is away since 12:03:10"; of several, all names and the first time. */
function sentence(degraded) {
  const names = degraded.map(({ name }) => nameOf(name));
  const subject = names.length === 1 ? `${names[0]} is` : `${names.slice(0, -1).join(", ")} and ${names.at(-1)} are`;
  return `${subject} away since ${clock(Math.min(...degraded.map(({ since }) => Date.parse(since))))}`;
}

/** `{state, text, title}` for a badge; `health` as /api/ops/health and the WebSocket tell it. */
export function badgeOf({ status, reasons, degraded }) {
  const title = [...reasons, ...degraded.map(({ name, reason }) => `${nameOf(name)}: ${reason}`)].join("\n");
  if (status === "ready") return { state: "live", text: "Live", title };
  if (status === "degraded") return { state: "delayed", text: `Delayed: ${sentence(degraded)}`, title };
  if (reasons.includes("draining")) return { state: "offline", text: "Stopping", title };
  return { state: "offline", text: `Not ready: ${reasons[0] ?? "starting"}`, title };
}
