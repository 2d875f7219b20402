// A list of any length that holds only the rows in sight: each stands at its own height in a
// box as high as all of them.

const ROW = 72; // pixels, as in page.css
const BEYOND = 6; // rows kept ready above and below what is in sight

class List {
  constructor(box, space, makeRow, choose) {
    Object.assign(this, { box, space, makeRow, choose });
    this.rows = [];
    this.chosen = -1;
    this.shown = new Map();
    this.planned = false;
    box.addEventListener("scroll", () => this.plan(), { passive: true });
    box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.plan()).observe(box);
  }

  fill(rows) {
    for (const option of this.shown.values()) option.remove();
    this.shown.clear();
    this.rows = rows;
    this.chosen = -1;
    this.space.style.height = `${rows.length * ROW}px`;
    this.box.scrollTop = 0;
    this.box.hidden = rows.length === 0;
    this.draw();
  }

  plan() {
    if (this.planned) return;
    this.planned = true;
    requestAnimationFrame(() => {
      this.planned = false;
      this.draw();
    });
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - BEYOND);
    const inSight = Math.ceil(this.box.clientHeight / ROW) + 2 * BEYOND;
    const last = Math.min(this.rows.length, first + inSight);
    for (const [place, option] of this.shown) {
      if (place < first || place >= last) {
        option.remove();
        this.shown.delete(place);
      }
    }
    const fresh = document.createDocumentFragment();
    for (let place = first; place < last; place += 1) {
      if (!this.shown.has(place)) fresh.append(this.option(place));
    }
    this.space.append(fresh);
    this.mark();
  }

  option(place) {
    const option = this.makeRow(this.rows[place]);
    option.id = `sample-${place}`;
    option.setAttribute("role", "option");
    option.setAttribute("aria-setsize", this.rows.length);
    option.setAttribute("aria-posinset", place + 1);
    option.style.transform = `translateY(${place * ROW}px)`;
    option.addEventListener("click", () => this.choose(this.rows[place], false));
    this.shown.set(place, option);
    return option;
  }

  mark() {
    for (const [place, option] of this.shown) {
      option.setAttribute("aria-selected", String(place === this.chosen));
    }
    if (this.shown.has(this.chosen)) {
      this.box.setAttribute("aria-activedescendant", `sample-${this.chosen}`);
    } else this.box.removeAttribute("aria-activedescendant");
  }

  // Show a row as the chosen one, if it is among the rows.
  pick(row) {
    this.chosen = this.rows.indexOf(row);
    if (this.chosen < 0) {
      this.mark();
      return;
    }
    const top = this.chosen * ROW;
    const bottom = top + ROW - this.box.clientHeight;
    const off = Math.max(this.box.scrollTop - top, bottom - this.box.scrollTop);
    // The next row moves the list by one; a row from elsewhere stands in its middle.
    if (off > ROW) this.box.scrollTop = (top + bottom) / 2;
    else if (off > 0) this.box.scrollTop = Math.min(top, Math.max(bottom, this.box.scrollTop));
    this.draw();
  }

  step(by) {
    this.go(this.chosen < 0 ? 0 : this.chosen + by);
  }

  go(place) {
    const last = this.rows.length - 1;
    if (last >= 0) this.choose(this.rows[Math.min(last, Math.max(0, place))], true);
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    if (event.key in steps) this.step(steps[event.key]);
    else if (event.key === "Home") this.go(0);
    else if (event.key === "End") this.go(this.rows.length);
    else return;
    event.preventDefault();
  }
}
