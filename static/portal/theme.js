// Sets the theme before the first paint: a classic script in the head, so that no page flashes in the other theme.
(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("slipway-theme") || "system";
    } catch {
      return "system"; // storage is closed: follow the system
    }
  };
  const apply = () => {
    const theme = chosen();
    root.dataset.bsTheme = theme === "system" ? (system.matches ? "dark" : "light") : theme;
    root.dataset.themeChoice = theme;
    document.dispatchEvent(new CustomEvent("slipway:theme"));
  };
  root.classList.add("js");
  system.addEventListener("change", apply);
  window.addEventListener("storage", apply);
  window.slipwayTheme = {
    set(theme) {
      try {
        localStorage.setItem("slipway-theme", theme);
      } catch {
        root.dataset.bsTheme = theme;
      }
      apply();
    },
  };
  apply();
})();
