/**
 * The dark or light choice, applied before the page is first painted (hence no module).
 */
(() => {
  try {
    const theme = localStorage.getItem("koalarize-theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch {
    // A browser that keeps nothing follows the system.
  }
})();
