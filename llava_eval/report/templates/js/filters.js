// Which rows of a task are shown. A row is a number into the columns of its index.

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

const NO_FILTER = { run: 0, group: "", outcome: "", change: "", text: "", image: -1 };

function outcomeOf(index, run, row) {
  return index.runs[run].outcome[row];
}

// Lower-case text of each row: id, question and what the models said.
function haystack(index) {
  index.haystack ??= index.ids.map((id, row) =>
    [id, index.question[row], ...index.runs.map((run) => run.text[row])]
      .join("\n")
      .toLowerCase(),
  );
  return index.haystack;
}

function changed(index, filter, row) {
  const [direction, other] = filter.change.split(":");
  const now = index.runs[filter.run].value[row];
  const before = index.runs[Number(other)].value[row];
  if (now === null || before === null) return false;
  return direction === "gained" ? now > before : now < before;
}

function testsOf(index, filter) {
  const tests = [];
  if (filter.image >= 0) tests.push((row) => index.image[row] === filter.image);
  if (filter.group) {
    const [place, code] = filter.group.split(":").map(Number);
    const { codes } = index.groups[place];
    tests.push((row) => codes[row] === code);
  }
  if (filter.outcome) tests.push((row) => outcomeOf(index, filter.run, row) === filter.outcome);
  if (filter.change) tests.push((row) => changed(index, filter, row));
  if (filter.text) {
    const words = filter.text.toLowerCase();
    const texts = haystack(index);
    tests.push((row) => texts[row].includes(words));
  }
  return tests;
}

function rowsOf(index, filter) {
  const tests = testsOf(index, filter);
  const rows = [];
  for (let row = 0; row < index.ids.length; row += 1) {
    if (tests.every((test) => test(row))) rows.push(row);
  }
  return rows;
}
