// The pane that shows one sample: what was asked, what every run said, what it was worth.

function outcomeBadge(letter) {
  const { word, sign, name } = OUTCOMES[letter];
  const icon = el("span", { class: "sign", "aria-hidden": "true" }, sign);
  return el("span", { class: `outcome outcome-${name ?? letter}` }, icon, word);
}

// One picture of a sheet of thumbnails, in a square.
function thumbnail(images, number, size) {
  const span = el("span", { class: number < 0 ? "thumbnail none" : "thumbnail" });
  if (number < 0 || !images.sheets.length) return span;
  const scale = size / images.side;
  const place = number % images.per_sheet;
  const left = (place % images.columns) * size;
  const top = Math.floor(place / images.columns) * size;
  const sheet = Math.floor(number / images.per_sheet);
  const columns = Math.min(images.columns, images.n - sheet * images.per_sheet);
  Object.assign(span.style, {
    width: `${images.thumbs[2 * number] * scale}px`,
    height: `${images.thumbs[2 * number + 1] * scale}px`,
    backgroundImage: `url("${images.sheets[sheet]}")`,
    backgroundPosition: `${-left}px ${-top}px`,
    backgroundSize: `${columns * size}px auto`,
  });
  return span;
}

function field(name, ...content) {
  return [el("dt", {}, name), el("dd", {}, ...content)];
}

function verbatim(text, label) {
  if (text === "") return nothing("(empty)");
  const blank = text.trim() === "" ? nothing("(only white space)") : "";
  return el("div", {}, blank, el("pre", { dir: "auto", role: "group", "aria-label": label }, text));
}

function nothing(words) {
  return el("p", { class: "nothing" }, words);
}

function choices(sample) {
  const letters = sample.choices.map((_, place) => String.fromCharCode(65 + place));
  // A choice may be the letter of another one: references that are all letters are letters.
  const lettered = sample.references.every((reference) => letters.includes(reference));
  const items = sample.choices.map((choice, place) => {
    const letter = letters[place];
    const right = sample.references.includes(lettered ? letter : choice);
    const mark = right ? el("span", { class: "reference" }, "reference") : null;
    return el("li", {}, el("b", {}, `${letter}.`), " ", el("bdi", {}, choice), " ", mark ?? "");
  });
  return el("ol", { class: "choices" }, ...items);
}

function picture(images, number, id) {
  if (number < 0) return nothing("no image");
  const broken = images.broken.find(([other]) => other === number);
  if (broken) return nothing(`image cannot be read: ${broken[1]}`);
  const small = thumbnail(images, number, images.side);
  const full = images.files[number];
  if (!full) return images.sheets.length ? small : nothing("images are not in this report");
  if (images.sheets.length) small.setAttribute("aria-hidden", "true");
  else small.append("Show the image");
  const [width, height] = [images.sizes[2 * number], images.sizes[2 * number + 1]];
  const open = () => showImage(full, `Image of ${id}`);
  const label = width ? `Show the image in full, ${width} by ${height} pixels` : "Show the image in full";
  return el("button", { class: "plain", id: "picture", type: "button", onclick: open, "aria-label": label, title: label }, small);
}

function showImage(file, words) {
  const dialog = byId("image");
  const close = el("button", { type: "button", onclick: () => dialog.close() }, "Close");
  dialog.replaceChildren(close, el("img", { src: file, alt: words }));
  dialog.showModal();
}

// The prompt in its pieces: the image stands between two of them.
function prompt(pieces) {
  const parts = pieces.flatMap((piece, place) =>
    place ? [el("span", { class: "image-here" }, "image"), piece] : [piece],
  );
  return el("pre", { dir: "auto", role: "group", "aria-label": "Prompt" }, ...parts);
}

// Runs mostly share one prompt; where they do not, each is shown with the models it went to.
function promptsOf(index, sample) {
  return sample.prompts.flatMap((pieces, place) => {
    const models = index.runs.filter((_, run) => sample.runs[run]?.prompt === place);
    const whose = sample.prompts.length > 1 ? ` to ${models.map(({ model }) => model).join(", ")}` : "";
    const notes = [...new Set(models.map(({ note }) => note).filter(Boolean))].map(nothing);
    const name = notes.length ? "Prompt" : "Prompt, exactly as sent";
    return field(`${name}${whose}`, prompt(pieces), ...notes);
  });
}

function verdictOf(index, run, row, sample) {
  const { model, parsed, outcome, value } = index.runs[run];
  const said = sample.runs[run];
  const facts = value[row] === null ? [] : [`score ${Number(value[row].toFixed(3))}`];
  if (said?.finish) facts.push(`finish: ${said.finish}`);
  if (said?.tokens[1]) facts.push(plural(said.tokens[1], "new token"));
  if (said?.tokens[0]) facts.push(`${plural(said.tokens[0], "token")} of prompt`);
  return el(
    "section",
    { class: "verdict" },
    el("h4", {}, el("bdi", {}, model), " ", outcomeBadge(outcome[row])),
    el("p", { class: "facts" }, facts.join(" · ")),
    said ? answerOf(said, parsed[row]) : nothing("no answer"),
  );
}

function answerOf(said, parsed) {
  const read = parsed === null ? nothing("nothing could be read out of it") : verbatim(parsed, "Parsed answer");
  const replies = said.replies.flatMap((reply, place, all) =>
    field(all.length > 1 ? `Judge, reply ${place + 1}` : "Judge", verbatim(reply, "Judge’s reply")),
  );
  return el(
    "dl",
    {},
    ...(said.error ? field("Error", verbatim(said.error, "Error")) : []),
    ...(said.finish === "error" ? [] : field("Raw prediction", verbatim(said.text, "Raw prediction"))),
    ...(said.finish === "error" ? [] : field("Parsed answer", read)),
    ...replies,
  );
}

function questionOf(index, sample, row) {
  const times = new Map();
  for (const text of sample.references) times.set(text, (times.get(text) ?? 0) + 1);
  const references = [...times].map(([text, given]) =>
    el("li", {}, el("bdi", {}, text), given > 1 ? el("span", { class: "nothing" }, ` × ${given}`) : ""),
  );
  const groups = index.groups
    .filter(({ codes }) => codes[row] >= 0)
    .flatMap(({ name, values, codes }) => field(`Group: ${name}`, el("bdi", {}, values[codes[row]])));
  return el(
    "dl",
    {},
    ...field("References", references.length ? el("ul", { class: "references" }, ...references) : nothing("none here")),
    ...(sample.choices.length ? field("Choices", choices(sample)) : []),
    ...promptsOf(index, sample),
    ...(sample.hint ? field("Hint", verbatim(sample.hint, "Hint")) : []),
    ...groups,
  );
}

function fillDetails(index, row, sample, sameImage) {
  const { images } = index;
  const number = index.image[row];
  const alike = number < 0 ? 0 : index.image.filter((other) => other === number).length;
  const words = `Same image: ${plural(alike, "question")}`;
  const same = el("button", { type: "button", id: "same-image", onclick: () => sameImage(number) }, words);
  byId("details-body").replaceChildren(
    el("h3", { id: "details-title", tabindex: "-1" }, el("bdi", {}, index.ids[row])),
    el("p", { class: "question", dir: "auto" }, sample.question),
    el("div", { class: "look" }, picture(images, number, index.ids[row]), alike > 1 ? same : ""),
    el("div", { class: "verdicts" }, ...index.runs.map((_, run) => verdictOf(index, run, row, sample))),
    questionOf(index, sample, row),
  );
}
