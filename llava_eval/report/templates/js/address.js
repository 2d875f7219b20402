// The address is the state of the browser: "#/task/id?run=1&group=position&outcome=wrong", where
// "/id" and every filter may be left out.

const OLDER = /\?(gained|lost)(\/.+)?$/; // "#/pope?lost", "#/pope?lost/47"
const SETTLED = 200; // milliseconds; browsers refuse hundreds of changes in a few seconds

function readAddress(hash) {
  const [path, query = ""] = hash.slice(2).replace(OLDER, "$2?change=$1").split(/\?(.*)/s);
  const [task, id = ""] = path.split(/\/(.*)/s).map(decoded);
  return { task, id: id || null, filters: Object.fromEntries(new URLSearchParams(query)) };
}

function writeAddress({ task, id, filters }) {
  const path = id === null ? [task] : [task, id];
  const query = new URLSearchParams(filters).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${query && `?${query}`}`;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part; // somebody's own address, not one of ours
    throw error;
  }
}

// Puts states into the address bar: those that the arrows run through wait until they stop.
const addressBar = {
  timer: 0,
  waiting: null,
  push(state) {
    this.settle();
    const address = writeAddress(state);
    if (address !== location.hash) history.pushState(null, "", address);
  },
  replace(state) {
    clearTimeout(this.timer);
    this.waiting = state;
    this.timer = setTimeout(() => this.settle(), SETTLED);
  },
  settle() {
    if (this.waiting) history.replaceState(null, "", writeAddress(this.waiting));
    this.forget();
  },
  forget() {
    clearTimeout(this.timer);
    this.waiting = null;
  },
};
