// JSON whose numbers keep their digits: 12345678901234567890 and 1.0 stay what they are.

// A number that JavaScript would write in another way than it was sent.
export class Digits {
  constructor(text) {
    this.text = text;
  }

  valueOf() {
    return Number(this.text);
  }

  toString() {
    return this.text;
  }

  toJSON() {
    return JSON.rawJSON(this.text);
  }
}

// Browsers without `context` (from before 2025) have no rawJSON either, and round as ever.
function keepDigits(_, value, context) {
  if (typeof value !== "number" || !context || !JSON.rawJSON) return value;
  return String(value) === context.source ? value : new Digits(context.source);
}

export function parse(text) {
  return JSON.parse(text, keepDigits);
}

export function isNumber(value) {
  return typeof value === "number" || value instanceof Digits;
}

// The text of a value, on one line, or indented.
export function textOf(value, indent = 0) {
  return JSON.stringify(value, null, indent) ?? "";
}

// The beginning of that text, without writing all of a large value.
export function beginningOf(value, length) {
  let left = length * 2;
  const text = JSON.stringify(value, function cut(_, member) {
    if (left <= 0) return undefined;
    left -= typeof member === "string" ? member.length + 2 : 2;
    return typeof member === "string" && member.length > length ? member.slice(0, length) : member;
  });
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
