// What is wrong, first and in words: out of what /api/ops/problems tells.

const TITLES = { critical: "Critical", warning: "Warning", notice: "Notice" };

const PLURALS = { critical: ["critical", "critical"], warning: ["warning", "warnings"], notice: ["notice", "notices"] };

const clock = (moment) => new Date(moment).toTimeString().slice(0, 8);

/** How long ago a moment was, in one unit. */
export function duration(seconds) {
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

const age = (since, at) => duration((Date.parse(at) - Date.parse(since)) / 1000);

/** `{state, headline, note}`: all of it in one line. */
export function describeProblems({ at, wellSince, problems }) {
  if (!problems.length) return { state: "well", headline: "Nothing is wrong", note: `since ${clock(wellSince)}, for ${age(wellSince, at)}` };
  const counts = Object.keys(TITLES).map((severity) => [severity, problems.filter((each) => each.severity === severity).length]);
  const told = counts.filter(([, count]) => count).map(([severity, count]) => `${count} ${PLURALS[severity][count === 1 ? 0 : 1]}`);
  const state = counts[0][1] ? "down" : counts[1][1] ? "warm" : "mild";
  const things = problems.length === 1 ? "one thing" : `${problems.length} things`;
  const headline = state === "mild" ? `Nothing is wrong; ${things} to know` : `${things[0].toUpperCase()}${things.slice(1)} ${problems.length === 1 ? "is" : "are"} wrong`;
  return { state, headline, note: told.join(", ") };
}

function item(problem, at) {
  const made = document.createElement("li");
  made.dataset.severity = problem.severity;
  const part = (name, className, ...children) => {
    const element = document.createElement(name);
    element.className = className;
    element.append(...children);
    return element;
  };
  const link = part("a", "", `Runbook: ${problem.subject}, ${problem.kind}`);
  link.href = problem.runbook;
  made.append(
    part("span", "severity", TITLES[problem.severity]),
    part("p", "what", problem.what),
    part("p", "advice", part("span", "", `Since ${clock(problem.since)}, for ${age(problem.since, at)}.`), ` ${problem.advice} `, link),
  );
  return made;
}

/** Show them in `section`: its heading, and a list. The list is made anew only where words differ. */
export function showProblems(section, told) {
  const { state, headline, note } = describeProblems(told);
  section.dataset.state = state;
  const heading = section.querySelector("[data-headline]"), small = section.querySelector("[data-note]");
  if (heading.textContent !== headline) heading.textContent = headline; // it is read aloud
  if (small.textContent !== note) small.textContent = note;
  const list = section.querySelector("ol");
  const text = JSON.stringify(told.problems) + told.at.slice(0, -7); // once a second at most
  if (list.dataset.told === text) return;
  const focused = [...list.querySelectorAll("a")].indexOf(document.activeElement);
  list.dataset.told = text;
  list.replaceChildren(...told.problems.map((problem) => item(problem, told.at)));
  if (focused >= 0) list.querySelectorAll("a")[focused]?.focus();
}
