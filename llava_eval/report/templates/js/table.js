// Tables that sort by a column: numbers from high to low first, names from a to z.

function cellOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value ?? cell.textContent.trim();
}

function compareCells(numeric, left, right) {
  if (!numeric) return left.localeCompare(right);
  // Cells without a number stand last, whichever way the others go.
  return Number(left) - Number(right);
}

function sortBy(table, column, direction) {
  const body = table.tBodies[0];
  const numeric = table.tHead.rows[0].cells[column].dataset.sort === "number";
  const sign = direction === "ascending" ? 1 : -1;
  const rows = [...body.rows].map((row) => [cellOf(row, column), row]);
  rows.sort(([left], [right]) => {
    if (left === "" || right === "") return (left === "") - (right === "");
    return sign * compareCells(numeric, left, right);
  });
  body.append(...rows.map(([, row]) => row));
  for (const [place, head] of [...table.tHead.rows[0].cells].entries()) {
    if (place === column) head.setAttribute("aria-sort", direction);
    else head.removeAttribute("aria-sort");
  }
}

function startTables() {
  for (const button of document.querySelectorAll("table.sortable thead button")) {
    const head = button.closest("th");
    button.addEventListener("click", () => {
      const first = head.dataset.sort === "number" ? "descending" : "ascending";
      const other = first === "descending" ? "ascending" : "descending";
      const direction = head.getAttribute("aria-sort") === first ? other : first;
      sortBy(head.closest("table"), head.cellIndex, direction);
      byId("announcement").textContent = `sorted by ${button.textContent.trim()}, ${direction}`;
    });
  }
}

// A link to something in a closed <details> opens it; one to a run opens how it was made.
function openTarget() {
  if (!location.hash || location.hash.startsWith("#/")) return;
  const target = byId(decoded(location.hash.slice(1)));
  if (!target) return;
  for (let box = target.closest("details"); box; box = box.parentElement.closest("details")) {
    box.open = true;
  }
  const made = target.querySelector(":scope > details.provenance");
  if (made) made.open = true;
  target.scrollIntoView();
}
