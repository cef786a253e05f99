// The names of tasks, a row each.

import { html } from "./html.js";
import { attempt } from "./notice.js";
import { call } from "./rpc.js";
import { to } from "./route.js";
import { Sparkline, perSecond, recently } from "./sparkline.js";
import { count, rate, shown } from "./text.js";
import { duration } from "./time.js";

const STATES = ["queued", "scheduled", "started", "completed", "failed", "cancelled"];
const ROW_SECONDS = 600; // what a row's line shows
const ROW_STEPS = 60;

export function NamesTable({ names, rates, changed }) {
  return html`<section>
    <h2>Names</h2>
    <table class="names cards">
      <thead>
        <tr>
          <th scope="col">Name</th>
          ${STATES.map((state) => html`<th scope="col" class="number">${state}</th>`)}
          <th scope="col" class="number">oldest</th>
          ${rates && html`<th scope="col" class="rate">queued/s</th>
          <th scope="col" class="rate">finished/s</th>`}
          <th scope="col"><span class="hidden">Action</span></th>
        </tr>
      </thead>
      <tbody>
        ${Object.entries(names)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, counts]) => html`<${Row} key=${name} ...${{ name, counts, rates, changed }} />`)}
      </tbody>
    </table>
  </section>`;
}

function Row({ name, counts, rates, changed }) {
  const oldest = counts.oldest_queued_age;
  return html`<tr class=${counts.paused ? "paused" : ""}>
    <th scope="row">
      <a href=${to(["tasks"], { name })}>${shown(name)}</a>
      ${counts.paused && html` <span class="badge">paused</span>`}
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
  return html`<td class="rate" data-label=${`${what}/s`}>
    <${Sparkline}
      rates=${line}
      what=${`${name}: ${what}`}
      seconds=${numbers.length * interval}
      kind=${what}
    />
    <span>${rate(recently(numbers, interval))}</span>
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
