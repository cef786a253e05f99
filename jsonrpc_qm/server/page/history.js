// What has happened to a task, why it waits, and what came after it.

import { html } from "./html.js";
import { to } from "./route.js";
import { Status } from "./status.js";
import { shown } from "./text.js";
import { Moment, between, exactly } from "./time.js";

export function Reasons({ status, reasons }) {
  if (!reasons?.length) return null;
  return html`<section class="reasons">
    <h2>${status === "queued" ? "Why it isn’t running" : "What it is at"}</h2>
    <ul>
      ${reasons.map(
        ({ code, message, until }) => html`<li key=${code}>
          <span class="badge">${shown(code.replaceAll("_", " "))}</span> ${shown(message)}
          ${until && html` (<${Moment} time=${until} />)`}
        </li>`,
      )}
    </ul>
  </section>`;
}

export function History({ history }) {
  if (!history?.length) return null;
  const dash = html`<span class="none">–</span>`;
  return html`<section>
    <h2>History</h2>
    <table class="history cards">
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col" class="number">After</th>
          <th scope="col">Became</th>
          <th scope="col">Worker</th>
          <th scope="col">Why</th>
        </tr>
      </thead>
      <tbody>
        ${history.map(
          (step, place) => html`<tr key=${place}>
            <td><${Moment} time=${step.at} whole /></td>
            <td class="number" data-label="after">
              ${place ? exactly(between(history[place - 1].at, step.at)) : dash}
            </td>
            <td class="state"><span class=${`status ${step.to}`}>${step.to}</span></td>
            <td class="worker" data-label="worker">${step.worker ? shown(step.worker) : dash}</td>
            <td class="wide">${step.reason ? shown(step.reason) : ""}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

// The tasks that its completion queued.
export function Continuations({ tasks }) {
  if (!tasks?.length) return null;
  return html`<section>
    <h2>Continuations</h2>
    <ul class="continuations">
      ${tasks.map(
        (task) => html`<li key=${task.id}>
          <a href=${to(["tasks", task.id])}>${shown(task.name)}</a>
          <span class="id">${shown(task.id)}</span>
          <${Status} task=${task} />
        </li>`,
      )}
    </ul>
  </section>`;
}
