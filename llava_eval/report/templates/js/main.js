startTheme();
startTables();
window.addEventListener("hashchange", openTarget);
openTarget();

const report = JSON.parse(byId("report-data").textContent);
if (report.tasks.length) {
  const browser = new Browser(report.tasks);
  if (location.hash.startsWith("#/")) browser.follow();
  else browser.open(report.tasks[0].name, null);
}
