// The names of tasks, a row each.

import { Component, html } from "./html.js";
import { Name } from "./name.js";
import { attempt } from "./notice.js";
import { call } from "./rpc.js";
import { to } from "./route.js";
import { Sparkline, perSecond, recently } from "./sparkline.js";
import { count, rate, shown } from "./text.js";
import { duration } from "./time.js";

const STATES = ["queued", "scheduled", "started", "completed", "failed", "cancelled"];
const ROW_SECONDS = 600; // what a row's line shows
const ROW_STEPS = 60;

const ROWS_AT_FIRST = 200;

const COLUMNS = [...STATES, "oldest", "queued/s", "finished/s"];

export class NamesTable extends Component {
  // By name, or by one of COLUMNS with the most on top.
  state = { by: "name", all: false };

  render({ names, rates, changed }, { by, all }) {
    const sorted = Object.keys(names).sort(order(by, names, rates));
    const rows = all ? sorted : sorted.slice(0, ROWS_AT_FIRST);
    const heading = (column) => html`<${Heading}
      key=${column}
      column=${column}
      sorted=${by === column}
      sort=${() => this.setState({ by: column })}
    />`;
    return html`<section>
      <h2>Names</h2>
      <table class="names cards">
        <thead>
          <tr>
            ${heading("name")}
            ${COLUMNS.filter((column) => rates || !column.endsWith("/s")).map(heading)}
            <th scope="col"><span class="hidden">Action</span></th>
          </tr>
        </thead>
        <tbody>
          ${rows.map((name) => {
            const counts = names[name];
            return html`<${Row} key=${name} ...${{ name, counts, rates, changed }} />`;
          })}
        </tbody>
      </table>
      ${rows.length < sorted.length &&
      html`<button onClick=${() => this.setState({ all: true })}>
        Show all ${count(sorted.length)}
      </button>`}
    </section>`;
  }
}

function Heading({ column, sorted, sort }) {
  const kind = column === "name" ? "" : column.endsWith("/s") ? "rate" : "number";
  const direction = column === "name" ? "ascending" : "descending";
  return html`<th scope="col" class=${kind} aria-sort=${sorted ? direction : undefined}>
    <button onClick=${sort}>
      ${column[0].toUpperCase() + column.slice(1)}${sorted && (column === "name" ? " ↑" : " ↓")}
    </button>
  </th>`;
}

function order(by, names, rates) {
  const byName = (a, b) => (a < b ? -1 : 1);
  if (by === "name") return byName;
  const figure = (name) => {
    if (by === "oldest") return names[name].oldest_queued_age ?? -1;
    if (!by.endsWith("/s")) return names[name][by];
    return recently(rates?.names[name]?.[by.slice(0, -2)] ?? [], rates?.interval);
  };
  return (a, b) => figure(b) - figure(a) || byName(a, b);
}

function Row({ name, counts, rates, changed }) {
  const oldest = counts.oldest_queued_age;
  return html`<tr class=${counts.paused ? "paused" : ""}>
    <th scope="row">
      <${Name} name=${name} address=${to(["tasks"], { name })}>
        ${counts.paused && html`<span class="badge">paused</span>`}
      <//>
    </th>
    ${STATES.map(
      (state) => html`<td class=${`number ${state}`} data-label=${state} key=${state}>
        <${Count} name=${name} state=${state} number=${counts[state]} />
      </td>`,
    )}
    <td class="number" data-label="oldest">
      ${oldest === null ? html`<span class="none">–</span>` : duration(oldest)}
    </td>
    ${rates &&
    ["queued", "finished"].map((what) => html`<${Rate} key=${what} ...${{ name, what, rates }} />`)}
    <td class="action"><${PauseButton} ...${{ name, paused: counts.paused, changed }} /></td>
  </tr>`;
}

function Count({ name, state, number }) {
  if (!Number(number)) return html`<span class="none">0</span>`;
  const status = state === "scheduled" ? "queued" : state;
  return html`<a href=${to(["tasks"], { name, status })}>${count(number)}</a>`;
}

function Rate({ name, what, rates }) {
  const { interval } = rates;
  const numbers = (rates.names[name]?.[what] ?? []).slice(-Math.round(ROW_SECONDS / interval));
  const line = perSecond(numbers, interval, ROW_STEPS);
  const recent = recently(numbers, interval);
  return html`<td class="rate" data-label=${`${what}/s`}>
    <${Sparkline}
      rates=${line}
      what=${`${name}: ${what}`}
      seconds=${numbers.length * interval}
      kind=${what}
    />
    <span class=${recent ? "" : "none"}>${rate(recent)}</span>
  </td>`;
}

function PauseButton({ name, paused, changed }) {
  const act = async () => {
    await attempt(async () => {
      await call(paused ? "resume" : "pause", { name });
      return `${shown(name)} ${paused ? "resumed" : "paused"}`;
    });
    changed();
  };
  return html`<button onClick=${act}>
    ${paused ? "Resume" : "Pause"}<span class="hidden"> ${shown(name)}</span>
  </button>`;
}
