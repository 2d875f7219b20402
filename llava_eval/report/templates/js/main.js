startTheme();
startTables();

const report = JSON.parse(byId("report-data").textContent);
const browser = report.tasks.length ? new Browser(report.tasks) : null;

function follow() {
  openTarget();
  // Another place in the page says nothing of samples; no place at all is where somebody began.
  if (browser && (location.hash === "" || location.hash.startsWith("#/"))) browser.follow();
}

if (browser) {
  byId("unscripted").hidden = true;
  byId("browser").hidden = false;
}
window.addEventListener("hashchange", follow);
// The same link once more changes no address, but what it leads to may have been left.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (link && link.hash === location.hash) follow();
});
follow();
if (browser && !browser.turn) browser.show(browser.state);
