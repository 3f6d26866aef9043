// What could not be handled, in words and rows: out of what /api/ops/quarantine tells.

const NEWEST = 10;
const COMMAND = "token-discovery quarantine";

/** `{state, facts}` of the whole quarantine. */
export function describeQuarantine({ entries, limit, dropped, unsaved, isComplete, parkedCount }) {
  const facts = [`${entries.length} of at most ${limit} entries`];
  if (entries.length > NEWEST) facts.push(`the newest ${NEWEST} are shown; ${COMMAND} list shows all`);
  if (dropped) facts.push(`${dropped} older ones were lost`);
  if (unsaved) facts.push(`${unsaved} are not in Redis yet`);
  if (!isComplete) facts.push("those of earlier processes are not read from Redis yet");
  if (parkedCount) facts.push(`updates that wait for their token: ${parkedCount}; ${COMMAND} list --parked shows them`);
  const state = dropped ? "down" : entries.length || unsaved || !isComplete ? "warm" : "well";
  return { state, facts };
}

/**
 * The newest entries, newest first, each with its age and the command to type: orders want an
 * operator at a terminal, since a page may give none without the control token.
 */
export function listNewest({ entries }, now) {
  return entries.slice(-NEWEST).reverse().map((entry) => ({
    ...entry,
    ageSeconds: Math.max(0, now / 1000 - entry.refusedAt),
    command: entry.state === "waiting" ? `${COMMAND} ${entry.isReplayable ? "replay" : "drop"} ${entry.id}` : entry.state,
  }));
}
