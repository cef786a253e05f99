// Light, dark, or as the system has it; kept in the browser.

const KEY = "jsonrpc-qm.theme";
const THEMES = ["auto", "light", "dark"];

let theme = "auto";

function apply(chosen) {
  theme = THEMES.includes(chosen) ? chosen : "auto";
  document.documentElement.dataset.theme = theme;
}

export function current() {
  return theme;
}

export function next() {
  apply(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]);
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Then it lasts as long as the page.
  }
}

try {
  apply(localStorage.getItem(KEY));
} catch {
  apply("auto");
}
