// A JSON value as a tree that folds. Members are made when they are first looked at.

import { Component, html } from "./html.js";
import { isNumber, textOf } from "./json.js";
import { count, plural, shown } from "./text.js";
import { attempt } from "./notice.js";

const AT_ONCE = 100; // members shown until more are asked for
const LONGEST_TEXT = 1000;
const OPEN_DEPTH = 2; // levels that are open from the beginning, if they are small
const SMALL = 30;

export function Tree({ value, label }) {
  return html`<div class="tree">
    ${navigator.clipboard && html`<${CopyButton} text=${() => textOf(value, 2)} what=${label} />`}
    <${Node} value=${value} depth=${0} />
  </div>`;
}

export function CopyButton({ text, what }) {
  const copy = () =>
    attempt(async () => {
      await navigator.clipboard.writeText(text());
      return `${what} copied`;
    });
  return html`<button class="quiet copy" onClick=${copy}>
    Copy<span class="hidden"> ${what}</span>
  </button>`;
}

function Node({ name, value, depth }) {
  if (value === null || typeof value !== "object" || isNumber(value)) {
    return html`<div class="leaf"><${Name} name=${name} /><${Leaf} value=${value} /></div>`;
  }
  const members = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  if (!members.length) {
    const empty = Array.isArray(value) ? "[]" : "{}";
    return html`<div class="leaf"><${Name} name=${name} /><span class="mark">${empty}</span></div>`;
  }
  return html`<${Branch} ...${{ name, members, depth, list: Array.isArray(value) }} />`;
}

class Branch extends Component {
  constructor({ members, depth }) {
    super();
    const open = depth < OPEN_DEPTH && members.length <= SMALL;
    // `first` is what the element begins with; from then on the browser opens and closes it.
    this.state = { first: open, open, most: AT_ONCE };
  }

  render({ name, members, depth, list }, { first, open, most }) {
    const toggle = (event) => this.setState({ open: event.currentTarget.open });
    return html`<details open=${first} onToggle=${toggle}>
      <summary>
        <${Name} name=${name} />
        <span class="mark">
          ${list ? `[${count(members.length)}]` : `{${plural(members.length, "member")}}`}
        </span>
      </summary>
      ${open &&
      members
        .slice(0, most)
        .map(
          ([key, member]) => html`<${Node}
            key=${key}
            name=${key}
            value=${member}
            depth=${depth + 1}
          />`,
        )}
      ${open &&
      members.length > most &&
      html`<button class="quiet" onClick=${() => this.setState({ most: most + AT_ONCE })}>
        Show more of ${count(members.length)}
      </button>`}
    </details>`;
  }
}

function Name({ name }) {
  return name === undefined ? null : html`<span class="key">${shown(name)}</span>`;
}

class Leaf extends Component {
  state = { whole: false };

  render({ value }, { whole }) {
    if (typeof value !== "string") return html`<span class="literal">${String(value)}</span>`;
    if (whole || value.length <= LONGEST_TEXT) {
      return html`<span class="text">${shown(value)}</span>`;
    }
    return html`<span class="text">${shown(value.slice(0, LONGEST_TEXT))}…</span>
      <button class="quiet" onClick=${() => this.setState({ whole: true })}>
        Show all ${count(value.length)} characters
      </button>`;
  }
}
