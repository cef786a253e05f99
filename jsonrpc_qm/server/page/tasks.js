// The list of tasks, a page at a time.

import { Bulk, describedBy } from "./bulk.js";
import { Filter, filterOf } from "./filter.js";
import { html } from "./html.js";
import { beginningOf } from "./json.js";
import { LiveView } from "./live-view.js";
import { call } from "./rpc.js";
import { to } from "./route.js";
import { FINISHED, Status } from "./status.js";
import { shown } from "./text.js";
import { Moment, between, exactly, now } from "./time.js";
import { Trouble } from "./trouble.js";

const PAGE = 50;
const PREVIEW = 160; // characters

// By the cursor of a page, the one before it; what an earlier visit of the site left is not known.
const before = new Map();

export function Tasks({ params }) {
  // Another filter or page is another list, with nothing selected.
  const key = JSON.stringify(params);
  // Typing must not lose its field; but what came from elsewhere is to be seen in the form.
  return html`
    <h1 class="hidden">Tasks</h1>
    <${Filter} params=${params} />
    <${List} key=${key} params=${params} />
  `;
}

class List extends LiveView {
  state = { rows: null, next: null, searching: false, selected: new Set(), held: false };
  #questions = 0;

  // A selection must not move under the pointer, and a search that took several calls is not made
  // again and again.
  soon() {
    if (this.state.selected.size || this.state.searching || this.#questions > 1) {
      this.setState({ held: true });
    } else super.soon();
  }

  async load() {
    const filter = filterOf(this.props.params);
    const first = this.state.rows === null;
    const rows = [];
    let cursor = this.props.params.cursor;
    this.#questions = 0;
    do {
      const limit = PAGE - rows.length;
      const page = await call("list_tasks", { ...filter, limit, cursor });
      this.#questions += 1;
      rows.push(...page.tasks);
      cursor = page.next_cursor;
      const searching = cursor !== null && rows.length < PAGE;
      if (this.gone) return {};
      if (searching && first) this.setState({ rows: [...rows], next: cursor, searching });
    } while (cursor !== null && rows.length < PAGE && !this.stopped);
    return { rows, next: cursor, searching: false, held: false };
  }

  refresh() {
    this.stopped = false;
    this.setState({ selected: new Set() });
    this.ask();
  }

  select(ids, selected) {
    const all = new Set(this.state.selected);
    for (const id of ids) selected ? all.add(id) : all.delete(id);
    this.setState({ selected: all });
  }

  render({ params }, { rows, next, searching, selected, held, error }) {
    if (!rows) return html`<${Trouble} error=${error} />`;
    const filter = filterOf(params);
    return html`
      <${Trouble} error=${error} />
      <div class="above">
        <${Bulk}
          which=${selected.size ? { ids: [...selected] } : filter}
          described=${describedBy(selected.size, filter)}
          changed=${() => this.refresh()}
        />
        ${held &&
        html`<span class="held">
          Not live ${selected.size ? "while tasks are selected" : ""}
          <button onClick=${() => this.refresh()}>Refresh</button>
        </span>`}
      </div>
      ${rows.length || searching
        ? html`<${Table} rows=${rows} selected=${selected} select=${(...x) => this.select(...x)} />`
        : html`<p class="nothing">No tasks match.</p>`}
      ${searching && html`<${Searching} rows=${rows} stop=${() => (this.stopped = true)} />`}
      <${Pager} params=${params} next=${searching ? null : next} shown=${rows.length} />
    `;
  }
}

function Searching({ rows, stop }) {
  return html`<p class="searching" role="status">
    Searching… ${rows.length} found so far. <button onClick=${stop}>Stop</button>
  </p>`;
}

function Table({ rows, selected, select }) {
  const ids = rows.map((task) => task.id);
  const all = ids.length > 0 && ids.every((id) => selected.has(id));
  return html`<table class="tasks cards">
    <thead>
      <tr>
        <th scope="col">
          <input
            type="checkbox"
            aria-label="Select all on this page"
            checked=${all}
            onChange=${(event) => select(ids, event.currentTarget.checked)}
          />
        </th>
        <th scope="col">Task</th>
        <th scope="col">Status</th>
        <th scope="col" class="number">Attempts</th>
        <th scope="col">Queued</th>
        <th scope="col" class="number">Took</th>
        <th scope="col">Parameters, or the error</th>
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (task) => html`<${Row}
          key=${task.id}
          task=${task}
          selected=${selected.has(task.id)}
          select=${select}
        />`,
      )}
    </tbody>
  </table>`;
}

function Row({ task, selected, select }) {
  return html`<tr aria-selected=${selected} class=${selected ? "selected" : ""}>
    <td class="check">
      <input
        type="checkbox"
        aria-label=${`Select ${shown(task.name)} ${task.id}`}
        checked=${selected}
        onChange=${(event) => select([task.id], event.currentTarget.checked)}
      />
    </td>
    <th scope="row">
      <a href=${to(["tasks", task.id])}>${shown(task.name)}</a>
      <span class="id" title=${task.id}>${ending(task.id)}</span>
    </th>
    <td><${Status} task=${task} /></td>
    <td class="number" data-label="attempts">${String(task.attempts)}/${String(task.max_attempts)}</td>
    <td data-label="queued"><${Moment} time=${task.created_at} /></td>
    <td class="number" data-label="took">${took(task)}</td>
    <td class="preview">${preview(task)}</td>
  </tr>`;
}

// The end of an id: the beginning of those that the manager makes is the time.
function ending(id) {
  return id.length > 12 ? `…${id.slice(-8)}` : id;
}

function took(task) {
  if (!task.started_at) return "";
  if (FINISHED.has(task.status)) return exactly(between(task.started_at, task.finished_at));
  if (task.status !== "started") return "";
  return exactly(Math.floor((now() - Date.parse(task.started_at)) / 1000));
}

function preview(task) {
  if (task.error && task.status !== "completed") {
    const { type, message } = task.error;
    return html`<span class="error">${shown(`${type}: ${message}`.slice(0, PREVIEW))}</span>`;
  }
  return html`<code>${shown(beginningOf(task.parameters, PREVIEW))}</code>`;
}

function Pager({ params, next, shown: rows }) {
  const { cursor, ...filter } = params;
  if (next) before.set(next, cursor ?? "");
  const newer = before.get(cursor);
  return html`<nav class="pager" aria-label="Pages">
    ${cursor && html`<a class="button" href=${to(["tasks"], filter)}>Newest</a>`}
    ${cursor &&
    newer !== undefined &&
    html`<a class="button" href=${to(["tasks"], { ...filter, cursor: newer })}>Newer</a>`}
    <span>${rows} shown</span>
    ${next && html`<a class="button" href=${to(["tasks"], { ...filter, cursor: next })}>Older</a>`}
  </nav>`;
}
