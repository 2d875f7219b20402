// The theme: the system's unless somebody has chosen. A page opened from a file may have no
// storage; then the choice holds for the visit.

const THEME = "llava-eval-theme";
const NO_STORAGE = ["SecurityError", "QuotaExceededError"];

function stored(use) {
  try {
    return use(window.localStorage);
  } catch (error) {
    if (error instanceof DOMException && NO_STORAGE.includes(error.name)) return null;
    throw error;
  }
}

function applyTheme(theme) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

function startTheme() {
  const chosen = stored((storage) => storage.getItem(THEME)) ?? "system";
  applyTheme(chosen);
  for (const choice of document.querySelectorAll('input[name="theme"]')) {
    choice.checked = choice.value === chosen;
    choice.addEventListener("change", () => {
      applyTheme(choice.value);
      stored((storage) => storage.setItem(THEME, choice.value));
    });
  }
}
