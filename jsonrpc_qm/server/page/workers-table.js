// The workers that the manager has heard of, and what they run.

import { confirmed } from "./confirm.js";
import { html } from "./html.js";
import { Name } from "./name.js";
import { attempt } from "./notice.js";
import { call } from "./rpc.js";
import { to } from "./route.js";
import { count, plural, shown } from "./text.js";
import { Moment, duration, now } from "./time.js";

const SHOWN = 4;
const SILENT_AFTER = 60; // seconds; a worker that waits for tasks calls at least every 20

export function WorkersTable({ workers, running, changed }) {
  if (!workers.length) {
    return html`<section>
      <h2>Workers</h2>
      <p class="none">None has asked for tasks yet.</p>
    </section>`;
  }
  return html`<section>
    <h2>Workers</h2>
    <table class="workers cards">
      <thead>
        <tr>
          <th scope="col">Worker</th>
          <th scope="col">Seen</th>
          <th scope="col" class="number">Running</th>
          <th scope="col">Tasks</th>
          <th scope="col">Asks for</th>
          <th scope="col"><span class="hidden">Action</span></th>
        </tr>
      </thead>
      <tbody>
        ${workers.map(
          (worker) => html`<${Row}
            key=${worker.worker}
            worker=${worker}
            tasks=${running.filter((task) => task.worker === worker.worker)}
            changed=${changed}
          />`,
        )}
      </tbody>
    </table>
  </section>`;
}

function isSilent({ last_seen }) {
  return (now() - Date.parse(last_seen)) / 1000 > SILENT_AFTER;
}

// "2 workers and 1 silent".
export function numberOf(workers) {
  const silent = workers.filter(isSilent).length;
  return plural(workers.length - silent, "worker") + (silent ? ` and ${count(silent)} silent` : "");
}

function Row({ worker, tasks, changed }) {
  const names = shown(worker.names.join(", "));
  return html`<tr>
    <th scope="row">
      <${Name} name=${worker.worker}>
        ${worker.drain && html`<span class="badge">draining</span>`}
        ${isSilent(worker) && html`<span class="badge quiet">silent</span>`}
      <//>
    </th>
    <td data-label="seen"><${Moment} time=${worker.last_seen} /></td>
    <td class="number" data-label="running">${String(worker.running)}</td>
    <td class="running-tasks" data-label="tasks">
      <${Running} tasks=${tasks} running=${worker.running} />
    </td>
    <td class="wide" data-label="asks for">
      <span class="two-lines" title=${names}>${names}</span>
    </td>
    <td class="action">
      ${!worker.drain && html`<${DrainButton} worker=${worker.worker} changed=${changed} />`}
    </td>
  </tr>`;
}

// The ones that have run longest first: they are what somebody looks for.
function Running({ tasks, running }) {
  if (!Number(running)) return html`<span class="none">–</span>`;
  const longest = [...tasks].sort((a, b) => (a.started_at < b.started_at ? -1 : 1)).slice(0, SHOWN);
  const more = Number(running) - longest.length;
  return html`<ul class="running">
    ${longest.map(
      (task) => html`<li key=${task.id}>
        <${Name} name=${task.name} address=${to(["tasks", task.id])}>
          <time datetime=${task.started_at} title=${`since ${task.started_at}`}>
            for ${duration((now() - Date.parse(task.started_at)) / 1000)}
          </time>
        <//>
      </li>`,
    )}
    ${more > 0 && html`<li class="none">and ${count(more)} more</li>`}
  </ul>`;
}

function DrainButton({ worker, changed }) {
  const act = async () => {
    const sure = await confirmed({
      title: "Drain this worker?",
      text: `${shown(worker)} finishes what it runs, takes nothing more, and stops.`,
      action: "Drain",
    });
    if (!sure) return;
    await attempt(async () => {
      await call("drain", { worker });
      return `${shown(worker)} is asked to stop`;
    });
    changed();
  };
  return html`<button onClick=${act}>
    Drain<span class="hidden"> ${shown(worker)}</span>
  </button>`;
}
