// Which rows of a task are shown. A row is a number into the columns of its index; a filter is a
// text, the same in the address as in the form.

const OUTCOMES = {
  r: { word: "right", sign: "✓" },
  p: { word: "partly right", sign: "◐" },
  w: { word: "wrong", sign: "✗" },
  u: { word: "unparsed", sign: "?" },
  f: { word: "failed", sign: "!" },
  m: { word: "missing", sign: "–" },
  g: { word: "not graded", sign: "…" },
  "-": { word: "not asked", sign: "·", name: "none" },
};

// Of two runs the second is the candidate: what it gained and lost is the question.
const usualRun = (index) => (index.runs.length === 2 ? 1 : 0);

// Lower-case text of each row: everything in the index that somebody wrote.
function haystack(index) {
  index.haystack ??= index.ids.map((id, row) =>
    [
      id,
      index.question[row],
      index.reference[row],
      ...index.runs.flatMap(({ text, parsed, error }) => [text[row], parsed[row] ?? "", error[row]]),
    ]
      .join("\n")
      .toLowerCase(),
  );
  return index.haystack;
}

// The groups of a task: a value is enough to name one, unless two groupings have it.
function groupsOf(index) {
  const times = new Map();
  for (const value of index.groups.flatMap(({ values }) => values)) times.set(value, (times.get(value) ?? 0) + 1);
  return index.groups.flatMap(({ name, values, codes }) =>
    values.map((value, code) => {
      const full = `${name}: ${value}`;
      return { name, value, full, key: times.get(value) > 1 ? full : value, has: (row) => codes[row] === code };
    }),
  );
}

// The changes of a run against each of the others; against the only other one it need not be named.
function changesOf(index, run) {
  const { runs } = index;
  const others = runs.map((_, other) => other).filter((other) => other !== run);
  return others.flatMap((other) =>
    ["gained", "lost"].map((direction) => {
      const sign = direction === "gained" ? 1 : -1;
      const changed = (row) => {
        const [now, before] = [runs[run].paired[row], runs[other].paired[row]];
        return now !== null && before !== null && sign * (now - before) > 0;
      };
      return { direction, other, key: others.length > 1 ? `${direction}:${other}` : direction, has: changed };
    }),
  );
}

// Each takes an index, the text, and the run that is looked at; gives what the filter is called
// and which rows it keeps, or nothing if it is not known.
const FILTERS = {
  group: (index, text) => groupsOf(index).find(({ key, full }) => text === key || text === full),
  outcome(index, text, run) {
    const letter = Object.keys(OUTCOMES).find((each) => OUTCOMES[each].word === text);
    return letter && { key: text, has: (row) => index.runs[run].outcome[row] === letter };
  },
  change: (index, text, run) => changesOf(index, run).find(({ key }) => key === text),
  image(index, text) {
    const number = Number(text);
    return index.image.includes(number) && { key: text, has: (row) => index.image[row] === number };
  },
  search(index, text) {
    const words = text.toLowerCase();
    const texts = haystack(index);
    return { key: text, has: (row) => texts[row].includes(words) };
  },
};

// Read filters as the address has them: the run, the rows that are left, and what is not known.
function filterRows(index, wanted) {
  const { run: named = String(usualRun(index)), ...others } = wanted;
  const known = Object.hasOwn(index.runs, named);
  const run = known ? Number(named) : usualRun(index);
  const filters = run === usualRun(index) ? {} : { run: named };
  const problems = known ? [] : [`no model number ${named} here`];
  const found = [];
  for (const [name, text] of Object.entries(others)) {
    const filter = Object.hasOwn(FILTERS, name) && FILTERS[name](index, text, run);
    if (filter) {
      filters[name] = filter.key;
      found.push(filter);
    } else problems.push(unknown(index, name, text));
  }
  const rows = [];
  for (let row = 0; row < index.ids.length; row += 1) {
    if (found.every(({ has }) => has(row))) rows.push(row);
  }
  return { run, against: found.find(({ other }) => other !== undefined)?.other, filters, rows, problems };
}

function unknown(index, name, text) {
  if (name === "change" && ["gained", "lost"].includes(text)) {
    const count = plural(index.runs.length, "model");
    return `“${text}” needs two models, here are ${count}: choose under Change`;
  }
  return Object.hasOwn(FILTERS, name) ? `no ${name} “${text}” here` : `no filter “${name}”`;
}
