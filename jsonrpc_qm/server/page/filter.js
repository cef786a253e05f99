// Which tasks are listed: the form above them.

import { Component, createRef, html } from "./html.js";
import { takeSearch } from "./keys.js";
import { call } from "./rpc.js";
import { replace, to } from "./route.js";
import { STATUSES } from "./status.js";
import { shown } from "./text.js";

const TYPING = 300; // milliseconds without a key until a text is searched for

export const FIELDS = ["name", "status", "query", "since", "until"];

// The params of `list_tasks` in an address.
export function filterOf(params) {
  return Object.fromEntries(FIELDS.filter((key) => params[key]).map((key) => [key, params[key]]));
}

// The filter in words.
export function inWords(filter) {
  const words = [];
  if (filter.status) words.push(filter.status);
  words.push("tasks");
  if (filter.name) words.push(`named ${shown(filter.name)}`);
  if (filter.query) words.push(`with “${shown(filter.query)}” in id or parameters`);
  if (filter.since) words.push(`from ${local(filter.since).replace("T", " ")} on`);
  if (filter.until) words.push(`before ${local(filter.until).replace("T", " ")}`);
  return words.join(" ");
}

// A time as its input has it: in the browser's time zone, without one.
function local(time) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

export class Filter extends Component {
  state = { names: [] };
  #form = createRef();
  #timer = null;

  async componentDidMount() {
    this.#show();
    if (takeSearch()) this.#form.current.elements.query.focus();
    try {
      this.setState({ names: Object.keys((await call("stats")).names).sort() });
    } catch {
      // Then nothing is proposed.
    }
  }

  componentDidUpdate({ params }) {
    if (params !== this.props.params) this.#show();
  }

  // Have the fields say what the address does, which others may have changed; but for the one that
  // somebody is typing in.
  #show() {
    for (const key of FIELDS) {
      const field = this.#form.current.elements[key];
      const text = this.props.params[key] ?? "";
      const value = key === "since" || key === "until" ? text && local(text) : text;
      if (field.value !== value && field !== document.activeElement) field.value = value;
    }
  }

  apply(form) {
    clearTimeout(this.#timer);
    const given = Object.fromEntries(new FormData(form));
    for (const key of ["since", "until"]) {
      if (given[key]) given[key] = new Date(given[key]).toISOString();
    }
    replace(to(["tasks"], filterOf(given)));
  }

  later(form) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.apply(form), TYPING);
  }

  componentWillUnmount() {
    clearTimeout(this.#timer);
  }

  render({ params }, { names }) {
    const submit = (event) => {
      event.preventDefault();
      this.apply(event.currentTarget);
    };
    return html`<form
      class="filter"
      role="search"
      ref=${this.#form}
      onSubmit=${submit}
      onInput=${(event) => this.later(event.currentTarget)}
    >
      <label>
        Text in id or parameters
        <input type="search" name="query" maxlength="200" data-hotkey="/" />
      </label>
      <label>
        Name
        <input name="name" maxlength="200" list="names" autocomplete="off" />
      </label>
      <datalist id="names">
        ${names.map((name) => html`<option key=${name} value=${name} />`)}
      </datalist>
      <label>
        Status
        <select name="status">
          <option value="">any</option>
          ${STATUSES.map((status) => html`<option key=${status}>${status}</option>`)}
        </select>
      </label>
      <label>
        Queued from
        <input type="datetime-local" name="since" />
      </label>
      <label>
        until
        <input type="datetime-local" name="until" />
      </label>
      ${FIELDS.some((key) => params[key]) && html`<a class="button" href="#/tasks">Clear</a>`}
    </form>`;
  }
}
