// Light, dark, or as the system has it.

const THEMES = {
  "light dark": { sign: "◐", name: "as the system" },
  light: { sign: "☀︎", name: "light" },
  dark: { sign: "☾", name: "dark" },
};

class Theme {
  constructor() {
    this.button = button("", () => this.change(), { class: "quiet", id: "theme" });
    this.apply(this.stored());
  }

  change() {
    const all = Object.keys(THEMES);
    this.apply(all[(all.indexOf(this.chosen) + 1) % all.length]);
    try {
      localStorage.setItem("theme", this.chosen);
    } catch {
      // A browser may keep nothing of a page that is a file.
    }
  }

  stored() {
    try {
      const stored = localStorage.getItem("theme");
      return Object.hasOwn(THEMES, stored) ? stored : "light dark";
    } catch {
      return "light dark";
    }
  }

  apply(theme) {
    this.chosen = theme;
    document.documentElement.style.setProperty("color-scheme", theme);
    this.button.replaceChildren(THEMES[theme].sign);
    this.button.setAttribute("aria-label", `Colours: ${THEMES[theme].name}`);
    this.button.setAttribute("title", `Colours: ${THEMES[theme].name}`);
  }
}
