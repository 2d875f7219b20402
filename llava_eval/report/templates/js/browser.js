// The sample browser: a task, its filters, the list, and one sample in detail. The address holds
// the sample, so that it can be sent to somebody.

const LISTED_RUNS = 3;

class Browser {
  constructor(tasks) {
    this.tasks = new Map(tasks.map((task) => [task.name, task]));
    this.filter = { ...NO_FILTER };
    this.task = null;
    this.index = null;
    this.row = -1;
    this.list = new List(byId("samples-list"), byId("samples-space"), (row) => this.makeRow(row), (row, quiet) => this.visit(row, quiet));
    this.listen();
  }

  listen() {
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("filter-task").addEventListener("change", (event) => this.open(event.target.value, null));
    for (const name of ["run", "group", "outcome", "change"]) {
      byId(`filter-${name}`).addEventListener("change", (event) => {
        this.filter[name] = name === "run" ? Number(event.target.value) : event.target.value;
        if (name === "run") this.offerChanges();
        this.refill();
      });
    }
    byId("filter-text").addEventListener("input", (event) => {
      this.filter.text = event.target.value.trim();
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.refill(), 80);
    });
    byId("filter-image").addEventListener("click", () => this.sameImage(-1));
    byId("filter-none").addEventListener("click", () => this.reset());
    byId("details-back").addEventListener("click", () => this.leave());
    byId("details-previous").addEventListener("click", () => this.list.step(-1));
    byId("details-next").addEventListener("click", () => this.list.step(1));
    byId("samples-list").addEventListener("keydown", (event) => {
      if (event.key === "Enter") byId("details-title")?.focus();
    });
    document.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("hashchange", () => this.follow());
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
      } else if (this.row >= 0 && !typing) this.leave();
    }
  }

  // Show what the address names: "#/pope", "#/pope/17", or "#/pope?lost" of two runs.
  async follow() {
    const found = /^#\/([^/?]+)(?:\?(gained|lost))?(?:\/(.+))?$/.exec(location.hash);
    if (!found) return;
    const [task, id] = [found[1], found[3] ?? null].map((part) => part && decoded(part));
    if (!this.tasks.has(task)) {
      this.say(`no samples of ${task} in this report`);
      return;
    }
    byId("samples").scrollIntoView();
    if (!(await this.open(task, id))) return;
    if (found[2]) this.showChanges(found[2]);
    byId("samples-list").focus({ preventScroll: true });
  }

  async open(name, id) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    byId("filter-task").value = name;
    if (this.task !== name) {
      this.say("reading …");
      const index = await this.read(`${name}/index`);
      if (index === null || turn !== this.turn) return false;
      this.task = name;
      this.index = index;
      this.offer();
      this.reset();
    }
    if (id === null) return true;
    const row = this.index.ids.indexOf(id);
    if (row < 0) {
      this.say(`no sample ${id} in ${name}`);
      return false;
    }
    if (!this.list.rows.includes(row)) this.reset();
    await this.show(row);
    return true;
  }

  async read(key) {
    try {
      return await load(key);
    } catch (error) {
      this.say(error.message);
      return null;
    }
  }

  // Offer the filters that this task has.
  offer() {
    const { groups, runs } = this.index;
    fillSelect("filter-run", runs.map(({ model }, run) => [run, model]));
    byId("filter-run").closest("label").hidden = runs.length < 2;
    const named = groups.map(({ name, values }, place) => [name, values.map((value, code) => [`${place}:${code}`, value])]);
    fillSelect("filter-group", [["", "all"]], named);
    byId("filter-group").closest("label").hidden = named.length === 0;
  }

  offerOutcomes() {
    const found = new Set(this.index.runs[this.filter.run].outcome);
    const letters = Object.keys(OUTCOMES).filter((letter) => found.has(letter) || letter === this.filter.outcome);
    fillSelect("filter-outcome", [["", "all"], ...letters.map((letter) => [letter, OUTCOMES[letter].word])]);
    byId("filter-outcome").value = this.filter.outcome;
  }

  offerChanges() {
    this.offerOutcomes();
    const others = this.index.runs.map(({ model }, run) => [run, model]).filter(([run]) => run !== this.filter.run);
    const groups = others.map(([run, model]) => [`against ${model}`, [[`gained:${run}`, "gained"], [`lost:${run}`, "lost"]]]);
    fillSelect("filter-change", [["", "all"]], groups);
    byId("filter-change").closest("label").hidden = others.length === 0;
    this.filter.change = "";
  }

  reset() {
    // Of two runs the second is the candidate: what it gained and lost is the question.
    this.filter = { ...NO_FILTER, run: this.index.runs.length === 2 ? 1 : 0 };
    this.offerChanges();
    byId("filter-run").value = this.filter.run;
    for (const name of ["group", "outcome", "change", "text"]) byId(`filter-${name}`).value = "";
    this.refill();
  }

  refill() {
    const rows = rowsOf(this.index, this.filter);
    this.list.fill(rows);
    if (this.row >= 0) this.list.pick(this.row);
    byId("filter-image").hidden = this.filter.image < 0;
    byId("samples-none").hidden = rows.length > 0;
    this.say(`${count(rows.length)} of ${plural(this.index.ids.length, "sample")}`);
  }

  showChanges(direction) {
    this.reset();
    this.filter.change = `${direction}:0`;
    byId("filter-change").value = this.filter.change;
    this.refill();
  }

  say(words) {
    byId("samples-count").textContent = words;
  }

  sameImage(image) {
    this.filter = { ...NO_FILTER, run: this.filter.run, image };
    for (const name of ["group", "outcome", "change", "text"]) byId(`filter-${name}`).value = "";
    this.refill();
    byId("samples").classList.remove("open"); // on a phone the list is what was asked for
    byId("samples-list").focus({ preventScroll: true });
  }

  // Go to a row: by a click an entry of the history, by the arrows in place of the last one.
  visit(row, quiet) {
    const hash = `#/${encodeURIComponent(this.task)}/${encodeURIComponent(this.index.ids[row])}`;
    if (hash !== location.hash) history[quiet ? "replaceState" : "pushState"](null, "", hash);
    this.show(row, quiet);
  }

  async show(row) {
    this.row = row;
    this.list.pick(row);
    const { task, index } = this;
    const size = index.chunk;
    const rows = await this.read(`${task}/rows-${Math.floor(row / size)}`);
    if (rows === null || row !== this.row || task !== this.task) return;
    fillDetails(index, row, rows[row % size], (image) => this.sameImage(image));
    byId("details").hidden = false;
    byId("details").scrollTop = 0;
    byId("samples").classList.add("open");
    // On a phone the sample takes the place of the list, whose filters are then out of the way.
    if (byId("samples-list").offsetParent === null) byId("samples").scrollIntoView();
  }

  leave() {
    this.row = -1;
    byId("samples").classList.remove("open");
    byId("details").hidden = true;
    history.pushState(null, "", `#/${encodeURIComponent(this.task)}`);
    this.list.pick(-1);
    byId("samples-list").focus({ preventScroll: true });
  }

  makeRow(row) {
    const { index } = this;
    const answers = index.runs.slice(0, LISTED_RUNS).map((_, run) => this.answer(run, row));
    return el(
      "div",
      { class: "row" },
      el("span", { class: "look-small" }, thumbnail(index.images, index.image[row], 48)),
      el("span", { class: "ask", dir: "auto" }, index.question[row].slice(0, 200)),
      el("span", { class: "answers" }, ...answers),
      el("span", { class: "wanted", title: "reference" }, el("span", { class: "unseen" }, "reference: "), el("bdi", {}, index.reference[row])),
    );
  }

  answer(run, row) {
    const { parsed, text } = this.index.runs[run];
    const letter = outcomeOf(this.index, run, row);
    const { word, sign, name } = OUTCOMES[letter];
    const said = (parsed[row] ?? text[row]).slice(0, 60);
    return el(
      "span",
      { class: "answer" },
      el("span", { class: `sign outcome-${name ?? letter}`, title: word, "aria-hidden": "true" }, sign),
      el("span", { class: "unseen" }, `${word}: `),
      el("bdi", {}, said),
    );
  }
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part; // somebody's own address, not one of ours
    throw error;
  }
}

function fillSelect(id, options, groups = []) {
  const make = ([value, words]) => el("option", { value }, words);
  const grouped = groups.map(([label, members]) => {
    const group = el("optgroup", { label });
    group.append(...members.map(make));
    return group;
  });
  byId(id).replaceChildren(...options.map(make), ...grouped);
}
