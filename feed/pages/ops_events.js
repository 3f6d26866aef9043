// What has happened, newest first: out of what /api/ops/events tells.

const SHOWN = 200;
const TITLES = { problem: "Began", solved: "Over", restart: "Restart", pace: "Pace", epoch: "Epoch", settings: "Settings", service: "Service" };
const STATES = { problem: "down", solved: "well", restart: "warm" };

function when(moment) {
  const at = new Date(moment), two = (number) => String(number).padStart(2, "0");
  const isToday = at.toDateString() === new Date().toDateString();
  const day = isToday ? "" : `${at.toLocaleDateString([], { month: "short", day: "numeric" })} `;
  return `${day}${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function item({ at, kind, words }) {
  const made = document.createElement("li");
  const time = document.createElement("time"), title = document.createElement("b"), text = document.createElement("span");
  time.dateTime = at;
  time.textContent = when(at);
  title.textContent = TITLES[kind] ?? kind;
  title.className = STATES[kind] ?? "";
  text.textContent = words;
  made.append(time, title, text);
  return made;
}

/** Show them in a list, made anew only where something has happened; `note` says what is missing. */
export function showEvents(list, note, { events, isComplete }) {
  const newest = `${events.length} ${events[0]?.at} ${events[0]?.words}`;
  if (list.dataset.newest !== newest) {
    list.dataset.newest = newest;
    list.replaceChildren(...events.slice(0, SHOWN).map(item));
  }
  const more = events.length > SHOWN ? `the newest ${SHOWN} of ${events.length}` : "";
  const missing = isComplete ? "" : "those before this start are not read from Redis yet";
  note.textContent = [more, missing].filter(Boolean).join("; ");
}
