// Who keeps the service active, in words: out of what the activity actor tells in the dump.

const TELLERS = { "redis keys": "Redis", http: "HTTP", alerts: "rules of alerts" };
const SIGNS = { start: "the start", client: "a client here", "feed request": "a request for the feed", "redis keys": "users elsewhere (Redis)", http: "users elsewhere (HTTP)", alerts: "rules of alerts" };

const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/**
 * `{state, title, facts}` of the actors in a dump; null while activity tells nothing.
 * `duration` and `clock` put seconds and a moment, in seconds since 1970, into words.
 */
export function describeActivity({ actors, process }, duration, clock) {
  const told = actors.find(({ name }) => name === "activity")?.summary;
  if (!told || !told.last_sign) return null;
  const there = [
    ...(told.clients ? [`${count(told.clients, "client")} here`] : []),
    ...Object.entries(told.users_elsewhere).filter(([, users]) => users).map(([teller, users]) => `${count(users, "user")} elsewhere (${TELLERS[teller] ?? teller})`),
  ];
  const problem = actors.find(({ name }) => name === "activity-keys")?.summary?.problem;
  const facts = problem ? [`keys in Redis: ${problem}`] : [];
  if (there.length) return { state: "well", title: "Kept active by", facts: [there.join(", "), ...facts] };
  const sign = `last sign: ${SIGNS[told.last_sign] ?? told.last_sign}, ${duration(told.quiet_seconds)} ago`;
  if (told.active) return { state: "well", title: "Active", facts: [`nobody is there now; ${sign}; idle in ${duration(told.until_idle_seconds)}`, ...facts] };
  const since = clock(process.taken_at - told.idle_seconds);
  return { state: "warm", title: `Idle since ${since}`, facts: [sign, ...facts] };
}
