// What is asked of every tracked token over HTTP while it is on the page: a search, and the watched.

const EVERY = 2_000, AFTER_FAILURE = 5_000; // milliseconds
const MINTS_AT_ONCE = 100; // as the service takes them
const SEARCH_LIMIT = 50; // tokens of each of the three lists

async function get(path, signal) {
  const answer = await fetch(path, { signal });
  if (answer.ok) return answer.json();
  const { error } = await answer.json().catch(() => ({}));
  throw new Error(error?.message ?? `the service answered ${answer.status}`);
}

/** Tokens whose symbol or name has the text, or whose mint begins with it. */
export async function search(text, signal) {
  const { bonded, graduating, new: young } = await get(`/api/warp-pipes/feed?searchQuery=${encodeURIComponent(text)}&limit=${SEARCH_LIMIT}`, signal);
  return [...bonded, ...graduating, ...young];
}

/** The tokens of these mints, as far as they are tracked. */
export async function lookUp(mints, signal) {
  const parts = [];
  for (let at = 0; at < mints.length; at += MINTS_AT_ONCE) parts.push(mints.slice(at, at + MINTS_AT_ONCE));
  const answers = await Promise.all(parts.map((part) => get(`/api/tokens?mints=${part.join(",")}`, signal)));
  return answers.flatMap(({ tokens }) => tokens);
}

/** Asks at once and then again and again, until another question is put or it is stopped. */
export class Polled {
  /** `tell(items, problem)`: a Map by mint, or null and why. */
  constructor(tell) {
    this.tell = tell;
    this.asking = null;
  }

  ask(question) {
    this.stop();
    const asking = new AbortController();
    this.asking = asking;
    this.run(question, asking.signal);
  }

  stop() {
    this.asking?.abort();
    this.asking = null;
  }

  async run(question, signal) {
    while (!signal.aborted) {
      let pause = EVERY;
      try {
        if (!document.hidden) {
          const items = await question(AbortSignal.any([signal, AbortSignal.timeout(10_000)]));
          if (signal.aborted) return;
          this.tell(new Map(items.map((item) => [item.mint, item])), null);
        }
      } catch (error) {
        if (signal.aborted) return;
        pause = AFTER_FAILURE;
        this.tell(null, error.name === "TypeError" || error.name === "TimeoutError" ? "The service does not answer." : `Not found: ${error.message}.`);
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
