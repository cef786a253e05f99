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

const WHOLE = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "compact" });

// A count, with separators.
export function count(number) {
  return WHOLE.format(number);
}

// A rate, in few characters.
export function rate(number) {
  return number >= 1000 ? SHORT.format(number) : String(Math.round(number * 10) / 10);
}

// "1 task", "2 tasks".
export function plural(number, noun) {
  return `${count(number)} ${noun}${Number(number) === 1 ? "" : "s"}`;
}
