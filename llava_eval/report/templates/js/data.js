// Data files are scripts that call llavaEval.put: a page opened from a file may not fetch.

const loads = new Map();

window.llavaEval = {
  put(key, value) {
    const entry = loads.get(key);
    if (!entry) return;
    entry.come = true;
    entry.resolve(value);
  },
};

function load(key) {
  if (!loads.has(key)) loads.set(key, startLoad(key));
  return loads.get(key).promise;
}

function startLoad(key) {
  const entry = {};
  entry.promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
  const path = `data/${key.split("/").map(encodeURIComponent).join("/")}.js`;
  const failed = (words) => {
    loads.delete(key); // so that another try is one
    entry.reject(new Error(`${path}: ${words}; the folder data must stand beside this page`));
  };
  const script = el("script", { src: path });
  script.addEventListener("error", () => failed("cannot be read"));
  script.addEventListener("load", () => {
    script.remove();
    if (!entry.come) failed("does not hold what it should");
  });
  document.head.append(script);
  return entry;
}
