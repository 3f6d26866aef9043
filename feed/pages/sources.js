// The world as the service sees it: what each stream and each provider brings, out of the dump.

const SOURCES = ["pumpportal", "pumpapi", "chain", "solana-pools"]; // as events name them
const HOUR = 3_600_000; // milliseconds: a provider that refuses for good is asked again so often
const ANSWERS = ["answers", "quotes", "updated", "fetched", "described"]; // what a job counts of them

const isMapping = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const total = (value) => (isMapping(value) ? Object.values(value).reduce((sum, each) => sum + each, 0) : value);

/** What ingest tells by source, each fact under its name: `{source: {fact: value}}`. */
function factsBySource(summary, names) {
  const facts = {};
  for (const [fact, mapping] of Object.entries(summary ?? {})) {
    if (!isMapping(mapping)) continue;
    for (const name of names) {
      if (!(name in mapping)) continue;
      const value = mapping[name];
      facts[name] = { ...facts[name], ...(isMapping(value) ? value : { [fact]: value }) };
    }
  }
  return facts;
}

/** A row a stream: `{name, connected, connections, silent, received, refused, problem, facts}`. */
export function listStreams(actors) {
  const streams = actors.filter(({ summary }) => typeof summary?.connected === "boolean");
  const names = [...new Set([...streams.map(({ name }) => name), ...SOURCES])];
  const facts = factsBySource(actors.find(({ name }) => name === "ingest")?.summary, names);
  const rows = streams.map(({ name, summary }) => ({
    name,
    connected: summary.connected,
    connections: summary.connections,
    silent: summary.last_message_age_seconds,
    received: total(summary.received),
    refused: total(summary.refused),
    problem: summary.last_problem,
    facts: facts[name] ?? {},
  }));
  const others = Object.keys(facts).filter((name) => !streams.some((stream) => stream.name === name));
  return [...rows, ...others.map((name) => ({ name, facts: facts[name] }))];
}

/** The facts that any row has, in the order in which they are told. */
export function listFacts(rows) {
  return [...new Set(rows.flatMap(({ facts }) => Object.keys(facts)))];
}

/** A row a provider that refuses, and one for all others of a job that asks. */
export function listProviders(actors, degraded, now) {
  const since = Object.fromEntries(degraded.map((each) => [each.name, Date.parse(each.since)]));
  return actors.filter(({ summary }) => isMapping(summary?.failures)).flatMap(({ name, summary }) => {
    const answers = ANSWERS.map((key) => summary[key]).find((value) => value !== undefined);
    const row = { name, answers: total(answers), failures: total(summary.failures), unusable: total(summary.unusable) };
    const closed = Object.entries(isMapping(summary.closed) ? summary.closed : {});
    return [row, ...closed.map(([provider, reason]) => {
      const at = since[provider] ?? null;
      // Counted from when it was first away: the minutes between are those of its first failures.
      const again = at === null ? null : at + Math.max(1, Math.ceil((now - at) / HOUR)) * HOUR;
      return { name: `${name}: ${provider}`, reason, since: at, again };
    })];
  });
}
