applyTheme(stored((storage) => storage.getItem(THEME)));
