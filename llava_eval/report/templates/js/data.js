// Data files are scripts that call llavaEval.put: a page opened from a file may not fetch.

const asked = new Map();

window.llavaEval = {
  put(key, value) {
    asked.get(key)?.resolve(value);
  },
};

function load(key) {
  if (!asked.has(key)) asked.set(key, ask(key));
  return asked.get(key).promise;
}

function ask(key) {
  const entry = {};
  entry.promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
  const path = `data/${key.split("/").map(encodeURIComponent).join("/")}.js`;
  const failed = (words) => {
    asked.delete(key);
    entry.reject(new Error(`${path}: ${words}; the folder data must stand beside this page`));
  };
  const script = el("script", { src: path });
  script.addEventListener("error", () => failed("cannot be read"));
  script.addEventListener("load", () => {
    script.remove();
    failed("does not hold what it should"); // without effect where put was called
  });
  document.head.append(script);
  return entry;
}
