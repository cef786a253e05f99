// Texts of others, made safe to look at.

// Control characters, and the marks that turn the direction of text around: what a task carries
// must not make the page say something else than it does.
const UNPRINTABLE = new RegExp(
  "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u200b\\u200e\\u200f" +
    "\\u2028-\\u202e\\u2060\\u2066-\\u2069\\ufeff]",
  "g",
);

// The text with each of them written as \u202e.
export function shown(text) {
  return String(text).replace(UNPRINTABLE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

// With a capital at its beginning.
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// A count, with separators. Intl could do so, but takes longer to begin than all of the page.
export function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

// A rate, in few characters: 0.3, 999, 1.25K, 43.1M.
export function rate(number) {
  if (number < 1000) return String(Math.round(number * 10) / 10);
  const unit = number < 999500 ? 1000 : 1000000;
  return `${Number((number / unit).toPrecision(3))}${unit === 1000 ? "K" : "M"}`;
}

// "1 task", "2 tasks".
export function plural(number, noun) {
  return `${count(number)} ${noun}${Number(number) === 1 ? "" : "s"}`;
}
