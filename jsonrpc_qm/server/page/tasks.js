// The list of tasks, a page at a time.

import { Bulk, describedBy } from "./bulk.js";
import { Filter, filterOf } from "./filter.js";
import { html } from "./html.js";
import { beginningOf } from "./json.js";
import { LiveView } from "./live-view.js";
import { Name } from "./name.js";
import { NoTasks } from "./no-tasks.js";
import { batch, call, orNothing } from "./rpc.js";
import { to } from "./route.js";
import { FINISHED, Status, latest } from "./status.js";
import { sentence, shown } from "./text.js";
import { Moment, between, duration, exactly, now } from "./time.js";
import { Trouble } from "./trouble.js";

const PAGE = 50;
const PREVIEW = 160; // characters

// By the cursor of a page, the one before it; what an earlier visit of the site left is not known.
const before = new Map();

export function Tasks({ params }) {
  // Another filter or page is another list, with nothing selected.
  const key = JSON.stringify(params);
  return html`
    <h1 class="hidden">Tasks</h1>
    <${Filter} params=${params} />
    <${List} key=${key} params=${params} />
  `;
}

class List extends LiveView {
  state = { rows: null, next: null, searching: false, selected: new Set() };
  #questions = 0;
  #pointed = false;

  // Why new tasks have to wait, or null. What somebody is about to click at must not move, and a
  // search that took several calls is not made again and again.
  held() {
    if (this.state.selected.size) return "New tasks wait until none is selected.";
    if (this.#questions > 1) return "New tasks are not searched.";
    if (this.#pointed || document.activeElement.closest("main tbody")) {
      return "New tasks wait while you are at the list.";
    }
    return null;
  }

  async load() {
    const { rows } = this.state;
    if (rows && this.held() && !this.wanted) return { rows: await asTheyAre(rows) };
    this.wanted = false;
    return this.#page();
  }

  async #page() {
    const filter = filterOf(this.props.params);
    const first = this.state.rows === null;
    const rows = [];
    let cursor = this.props.params.cursor;
    this.#questions = 0;
    do {
      const page = await call("list_tasks", { ...filter, limit: PAGE - rows.length, cursor });
      this.#questions += 1;
      rows.push(...page.tasks);
      cursor = page.next_cursor;
      const searching = cursor !== null && rows.length < PAGE;
      if (this.gone) return {};
      if (searching && first) this.setState({ rows: [...rows], next: cursor, searching });
    } while (cursor !== null && rows.length < PAGE && !this.stopped);
    return { rows, next: cursor, searching: false };
  }

  point(pointed) {
    this.#pointed = pointed;
    if (!pointed) this.soon();
  }

  refresh() {
    this.stopped = false;
    this.wanted = true;
    this.setState({ selected: new Set() });
    this.ask();
  }

  select(ids, selected) {
    const all = new Set(this.state.selected);
    for (const id of ids) selected ? all.add(id) : all.delete(id);
    this.setState({ selected: all });
  }

  render({ params }, { rows, next, searching, selected, error }) {
    if (!rows) return html`<${Trouble} error=${error} nothing />`;
    const filter = filterOf(params);
    const held = this.held();
    return html`
      <${Trouble} error=${error} />
      <div class="above">
        <${Bulk}
          which=${selected.size ? { ids: [...selected] } : filter}
          described=${describedBy(selected.size, filter)}
          none=${!rows.length && next === null && !params.cursor}
          changed=${() => this.refresh()}
        />
        ${held &&
        html`<span class="held">
          ${held} <button onClick=${() => this.refresh()}>Refresh</button>
        </span>`}
      </div>
      ${rows.length || searching
        ? html`<${Table}
            rows=${rows}
            status=${filter.status}
            selected=${selected}
            select=${(ids, on) => this.select(ids, on)}
            point=${(pointed) => this.point(pointed)}
          />`
        : html`<${Nothing} params=${params} />`}
      ${searching && html`<${Searching} rows=${rows} stop=${() => (this.stopped = true)} />`}
      <${Pager} params=${params} next=${searching ? null : next} shown=${rows.length} />
    `;
  }
}

function Nothing({ params }) {
  if (!Object.keys(params).length) return html`<${NoTasks} />`;
  return html`<p class="nothing">No tasks match.</p>`;
}

function Searching({ rows, stop }) {
  return html`<p class="searching" role="status">
    Searching… ${rows.length} found so far. <button onClick=${stop}>Stop</button>
  </p>`;
}

// The same tasks, with what has become of them; those that were deleted stay as they were.
async function asTheyAre(rows) {
  const found = await batch(rows.map(({ id }) => ["get_task", { id }]));
  return rows.map((task, place) => orNothing(found[place]) ?? task);
}

function Table({ rows, status, selected, select, point }) {
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
        <th scope="col">${status ? sentence(latest({ status })[0]) : "When"}</th>
        <th scope="col" class="number">Took</th>
        <th scope="col">Parameters, or the error</th>
      </tr>
    </thead>
    <tbody onMouseEnter=${() => point(true)} onMouseLeave=${() => point(false)}>
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
  const [happened, when] = latest(task);
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
      <${Name} name=${task.name} address=${to(["tasks", task.id])}>
        <span class="id" title=${task.id}>${ending(task.id)}</span>
      <//>
    </th>
    <td class="state"><${Status} task=${task} /></td>
    <td class="number" data-label="attempts">${`${task.attempts}/${task.max_attempts}`}</td>
    <td data-label=${happened}><${Moment} time=${when} /></td>
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
  return duration((now() - Date.parse(task.started_at)) / 1000);
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
    <span>${rows} shown${rows > 1 && ", those queued last first"}</span>
    ${next && html`<a class="button" href=${to(["tasks"], { ...filter, cursor: next })}>Older</a>`}
  </nav>`;
}
