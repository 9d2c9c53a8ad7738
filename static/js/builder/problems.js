// What the server found wrong, as the page tells it. Pure.

const MAX_LINKS = 4;

// Problems that may be shown: of fields that were touched, or all once the form was sent.
export function shownProblems(problems, touched, all) {
  return all ? problems : problems.filter((problem) => touched.has(problem.field));
}

// Problems by their field.
export function byField(problems) {
  const fields = new Map();
  for (const problem of problems) {
    if (!fields.has(problem.field)) fields.set(problem.field, []);
    fields.get(problem.field).push(problem);
  }
  return fields;
}

// The sticky bar: how many, the links, and how many more there are.
export function barModel(problems) {
  const count = problems.length;
  return {
    count,
    text: count === 1 ? "1 problem:" : `${count} problems:`,
    links: problems.slice(0, MAX_LINKS).map(({ anchor, label }) => ({ anchor, label })),
    more: Math.max(0, count - MAX_LINKS),
  };
}

// The state of a part's number: wrong, done, or neither while nothing was said yet.
export function stepState(section, problems, shown) {
  if (shown.some((problem) => problem.section === section)) return "wrong";
  return problems.some((problem) => problem.section === section) ? "open" : "done";
}
