// The sample browser: a task, its filters, the list, and one sample in detail. All of it follows
// from one state, {task, id, filters}, which is the address: see address.js.

const LISTED_RUNS = 3;
const FORM = ["run", "group", "outcome", "change"];

class Browser {
  constructor(tasks) {
    this.tasks = tasks;
    this.first = { task: tasks[0].name, id: null, filters: {} };
    this.state = this.first;
    this.index = null;
    this.shown = null; // what the filters leave of the index, see filterRows
    this.turn = 0;
    this.list = new List(byId("samples-list"), byId("samples-space"), (row) => this.makeRow(row), (row, quiet) => this.visit(row, quiet));
    this.listen();
  }

  listen() {
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("filter-task").addEventListener("change", (event) => this.push({ task: event.target.value, id: null, filters: {} }));
    for (const name of FORM) {
      byId(`filter-${name}`).addEventListener("change", (event) => this.filter(name, event.target.value));
    }
    byId("filter-text").addEventListener("input", (event) => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.filter("search", event.target.value.trim()), 80);
    });
    byId("filter-image").addEventListener("click", () => this.filter("image", ""));
    byId("filter-none").addEventListener("click", () => this.replace({ filters: {} }));
    byId("details-back").addEventListener("click", () => this.leave());
    byId("details-previous").addEventListener("click", () => this.list.step(-1));
    byId("details-next").addEventListener("click", () => this.list.step(1));
    byId("samples-list").addEventListener("keydown", (event) => {
      if (event.key === "Enter") byId("details-title")?.focus();
    });
    document.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      byId("filter-text").focus();
    } else if (event.key === "Escape" && !byId("image").open) {
      const text = byId("filter-text");
      if (event.target === text && text.value) {
        text.value = "";
        text.dispatchEvent(new Event("input"));
      } else if (this.state.id !== null && !typing) this.leave();
    }
  }

  // Another state, and an entry of the history for it.
  push(change) {
    const state = { ...this.state, ...change };
    addressBar.push(state);
    return this.show(state);
  }

  // Another state in place of the last one.
  replace(change) {
    const state = { ...this.state, ...change };
    addressBar.replace(state);
    return this.show(state);
  }

  filter(name, text) {
    const { [name]: _, ...filters } = this.state.filters;
    if (name === "run") delete filters.change; // it was against another model
    const usual = name === "run" && text === String(usualRun(this.index));
    this.replace({ filters: text === "" || usual ? filters : { ...filters, [name]: text } });
  }

  // Go where the address says; an empty one is where everybody begins.
  async follow() {
    addressBar.forget();
    if (location.hash === "") {
      await this.show(this.first);
      return;
    }
    byId("samples").scrollIntoView();
    await this.show(readAddress(location.hash));
    byId("samples-list").focus({ preventScroll: true });
  }

  async show({ task, id, filters }) {
    const turn = (this.turn += 1);
    const problems = [];
    if (!this.tasks.some(({ name }) => name === task)) {
      problems.push(task ? `no samples of ${task} in this report` : "this address names no task");
      ({ task, id, filters } = this.first);
    }
    if (this.state.task !== task || this.index === null) this.say("reading …");
    const index = await this.read(`${task}/index`);
    if (index === null || turn !== this.turn) return;
    const shown = filterRows(index, filters);
    const row = id === null ? -1 : rowNamed(index, id);
    if (id !== null && row < 0) problems.push(`no sample ${id} in ${task}`);
    const same = index === this.index && JSON.stringify(shown.filters) === JSON.stringify(this.shown.filters);
    const before = { index: this.index, run: this.shown?.run };
    Object.assign(this, { index, shown, state: { task, id: row < 0 ? null : index.ids[row], filters: shown.filters } });
    if (!same) {
      this.fillForm(before);
      this.list.fill(shown.rows);
    }
    this.list.pick(row);
    this.say([...problems, ...shown.problems, this.counted()].join(". "));
    await this.open(row);
  }

  async read(key) {
    try {
      return await load(key);
    } catch (error) {
      this.say(error.message);
      return null;
    }
  }

  counted() {
    const { index, shown } = this;
    const words = `${count(shown.rows.length)} of ${plural(index.ids.length, "sample")}`;
    if (!index.circles || shown.against === undefined) return words;
    const circles = new Set(shown.rows.map((row) => index.cluster.codes[row])).size;
    return `${words}, in ${plural(circles, "circle")}`;
  }

  say(words) {
    byId("samples-count").textContent = words;
  }

  // Offer the filters that this task has, and show those that are set.
  fillForm(before) {
    const { index, shown, state } = this;
    if (index !== before.index) this.offerOfTask();
    if (index !== before.index || shown.run !== before.run) this.offerOfRun();
    byId("filter-task").value = state.task;
    byId("filter-run").value = shown.run;
    for (const name of ["group", "outcome", "change"]) byId(`filter-${name}`).value = state.filters[name] ?? "";
    const text = byId("filter-text");
    if (text.value.trim() !== (state.filters.search ?? "")) text.value = state.filters.search ?? "";
    byId("filter-image").hidden = state.filters.image === undefined;
    byId("samples-none").hidden = shown.rows.length > 0;
    byId("samples-runs").hidden = index.runs.length < 2;
    const more = index.runs.length - LISTED_RUNS;
    const names = this.listed().map((run) => index.runs[run].model).join(", ");
    byId("samples-runs").textContent = `Answers of ${names}${more > 0 ? ` (+${more})` : ""}`;
  }

  offerOfTask() {
    const { runs } = this.index;
    fillSelect("filter-run", runs.map(({ model }, run) => [run, model]), runs.length > 1);
    const groups = groupsOf(this.index).map(({ name, key, value }) => [key, value, name]);
    fillSelect("filter-group", [["", "all"], ...groups], groups.length > 0);
  }

  offerOfRun() {
    const { runs } = this.index;
    const found = new Set(runs[this.shown.run].outcome);
    const words = Object.keys(OUTCOMES).filter((letter) => found.has(letter)).map((letter) => OUTCOMES[letter].word);
    fillSelect("filter-outcome", [["", "all"], ...words.map((word) => [word, word])], true);
    const changes = changesOf(this.index, this.shown.run).map(({ key, direction, other }) => [key, direction, `against ${runs[other].model}`]);
    fillSelect("filter-change", [["", "all"], ...changes], changes.length > 0);
  }

  // On a phone the list, which was asked for, takes the place of the sample again.
  sameImage(image) {
    const { run } = this.state.filters;
    const id = this.listIsHidden() ? null : this.state.id;
    this.push({ id, filters: { ...(run === undefined ? {} : { run }), image: String(image) } });
    byId("samples-list").focus({ preventScroll: true });
  }

  listIsHidden() {
    return byId("listing").offsetParent === null;
  }

  // Go to a row: by a click an entry of the history, by the arrows in place of the last one.
  visit(row, quiet) {
    const change = { id: this.index.ids[row] };
    if (quiet) this.replace(change);
    else this.push(change);
  }

  leave() {
    this.push({ id: null });
    byId("samples-list").focus({ preventScroll: true });
  }

  // Show a row in detail; -1 is none.
  async open(row) {
    const { index, state } = this;
    if (row < 0) {
      byId("samples").classList.remove("open");
      byId("details").hidden = true;
      this.opened = null;
      return;
    }
    const rows = await this.read(`${state.task}/rows-${Math.floor(row / index.chunk)}`);
    if (rows === null || index !== this.index || state.id !== this.state.id) return;
    const sample = rows[row % index.chunk];
    if (sample === this.opened) return;
    this.opened = sample;
    fillDetails(index, row, sample, (image) => this.sameImage(image));
    byId("details").hidden = false;
    byId("details").scrollTop = 0;
    byId("samples").classList.add("open");
    this.list.pick(row); // the list is narrower now
    // On a phone the sample takes the place of the list, whose filters are then out of the way.
    if (this.listIsHidden()) byId("samples").scrollIntoView();
  }

  // The runs whose answers stand in the list: the one that is looked at, what it is compared with,
  // and others.
  listed() {
    const { run, against = run } = this.shown;
    return [...new Set([run, against, ...this.index.runs.keys()])].slice(0, LISTED_RUNS);
  }

  makeRow(row) {
    const { index } = this;
    const answers = this.listed().map((run) => this.answer(run, row));
    const more = index.runs.length - answers.length;
    return el(
      "div",
      { class: "row" },
      el("span", { class: "look-small" }, thumbnail(index.images, index.image[row], 48)),
      el("span", { class: "ask", dir: "auto" }, index.question[row].slice(0, 200)),
      el("span", { class: "answers" }, ...answers, more > 0 ? el("span", { class: "more" }, `+${more}`) : ""),
      el("span", { class: "wanted", title: "reference" }, el("span", { class: "unseen" }, "reference: "), el("bdi", {}, index.reference[row].slice(0, 120))),
    );
  }

  answer(run, row) {
    const { model, parsed, text, outcome } = this.index.runs[run];
    const { word, sign, name = outcome[row] } = OUTCOMES[outcome[row]];
    const said = (parsed[row] ?? text[row]).slice(0, 60);
    const whose = this.index.runs.length > 1 ? `${model}, ${word}` : word;
    return el(
      "span",
      { class: "answer", title: whose },
      el("span", { class: `sign outcome-${name}`, "aria-hidden": "true" }, sign),
      el("span", { class: "unseen" }, `${whose}: `),
      el("bdi", {}, said),
    );
  }
}

// The row of an id; an address cannot hold half a character, which an id can.
function rowNamed(index, id) {
  const row = index.ids.indexOf(id);
  return row < 0 ? index.ids.findIndex((other) => other.toWellFormed() === id) : row;
}

// Options are [value, words] or [value, words, heading above it and its like].
function fillSelect(id, options, offered) {
  const select = byId(id);
  const groups = new Map();
  select.replaceChildren();
  for (const [value, words, heading] of options) {
    if (heading !== undefined && !groups.has(heading)) {
      groups.set(heading, el("optgroup", { label: heading }));
      select.append(groups.get(heading));
    }
    (groups.get(heading) ?? select).append(el("option", { value }, words));
  }
  select.closest("label").hidden = !offered;
}
