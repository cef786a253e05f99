// One task: all that is known of it, and what can be done with it.

import { confirmed } from "./confirm.js";
import { Continuations, History, Reasons } from "./history.js";
import { html } from "./html.js";
import { LiveView } from "./live-view.js";
import { attempt } from "./notice.js";
import { prefill } from "./queue.js";
import { Refused, batch, call, orNothing } from "./rpc.js";
import { go, to } from "./route.js";
import { isFor } from "./sign-in.js";
import { FINISHED, Status } from "./status.js";
import { sentence, shown } from "./text.js";
import { Moment, between, exactly, now } from "./time.js";
import { CopyButton, Tree } from "./tree.js";
import { Trouble } from "./trouble.js";

const CONTINUATIONS = 100; // at most shown

export class TaskView extends LiveView {
  async load() {
    const { id } = this.props;
    const [task, history, why] = await batch([
      ["get_task", { id }],
      ["history", { id }],
      ["explain", { id }],
    ]);
    if (task instanceof Refused) return { task: null, refused: task };
    return {
      task,
      refused: null,
      history: orNothing(history),
      reasons: orNothing(why)?.reasons,
      continuations: await this.#continuations(orNothing(history) ?? []),
    };
  }

  // Those that are still there of what its completion queued.
  async #continuations(history) {
    const ids = history.flatMap((step) => step.tasks ?? []).slice(0, CONTINUATIONS);
    if (!ids.length) return [];
    const found = await batch(ids.map((id) => ["get_task", { id }]));
    return found.map(orNothing).filter(Boolean);
  }

  render({ id }, { task, refused, history, reasons, continuations, error }) {
    if (refused) {
      return html`<section class="nothing">
        <h1>${sentence(refused.message)}</h1>
        ${refused.isUnknownTask &&
        html`<p>
          <code>${shown(id)}</code> may have been deleted, or have been finished for too long.
        </p>`}
        ${isFor("operator") && html`<p><a href="#/tasks">All tasks</a></p>`}
      </section>`;
    }
    if (!task) return html`<${Trouble} error=${error} nothing />`;
    const open = !FINISHED.has(task.status);
    return html`<article class="task">
      <${Trouble} error=${error} />
      <header>
        <h1>${shown(task.name)}</h1>
        <${Status} task=${task} />
        <${Buttons} task=${task} changed=${() => this.ask()} />
      </header>
      ${open && html`<${Reasons} status=${task.status} reasons=${reasons} />`}
      <${Failure} task=${task} />
      <div class="columns">
        <section>
          <h2>Fields</h2>
          <${Fields} task=${task} />
        </section>
        <div>
          <${Value} title="Parameters" value=${task.parameters} />
          ${task.status === "completed" && html`<${Value} title="Result" value=${task.result} />`}
          ${task.progress !== null && html`<${Value} title="Progress" value=${task.progress} />`}
          ${Object.keys(task.metadata).length > 0 &&
          html`<${Value} title="Metadata" value=${task.metadata} />`}
        </div>
      </div>
      <${Continuations} tasks=${continuations} />
      <${History} history=${history} />
    </article>`;
  }
}

function Value({ title, value }) {
  return html`<section>
    <h2>${title}</h2>
    <${Tree} value=${value} label=${title} />
  </section>`;
}

function Failure({ task: { status, error } }) {
  if (!error) return null;
  const isOver = status === "completed";
  const attempt = isOver ? " of an earlier attempt" : " of the last attempt";
  return html`<section class=${`failure ${isOver ? "over" : ""}`}>
    <h2>Error${status === "failed" ? "" : attempt}</h2>
    <p><strong>${shown(error.type)}</strong>: ${shown(error.message)}</p>
    ${error.traceback && html`<${Traceback} text=${error.traceback} />`}
    ${error.data !== undefined && html`<${Tree} value=${error.data} label="Error data" />`}
  </section>`;
}

function Traceback({ text }) {
  return html`<div class="traceback">
    <pre tabindex="0">${shown(text)}</pre>
    ${navigator.clipboard && html`<${CopyButton} text=${() => text} what="Traceback" />`}
  </div>`;
}

function Fields({ task }) {
  const end = task.finished_at ?? new Date(now()).toISOString();
  const took = task.started_at && task.status !== "queued" ? between(task.started_at, end) : null;
  const fields = [
    ["id", html`<${Id} id=${task.id} />`],
    ["name", html`<a href=${to(["tasks"], { name: task.name })}>${shown(task.name)}</a>`],
    ["priority", String(task.priority)],
    ["attempts", `${task.attempts} of ${task.max_attempts}`],
    ["lost leases", `${task.lost} of ${task.max_lost}`],
    ["worker", task.worker && shown(task.worker)],
    ["queued", html`<${Moment} time=${task.created_at} whole />`],
    ["due", html`<${Moment} time=${task.run_at} whole />`],
    ["started", html`<${Moment} time=${task.started_at} whole />`],
    ["lease until", html`<${Moment} time=${task.lease_expires_at} whole />`],
    ["finished", html`<${Moment} time=${task.finished_at} whole />`],
    ["took", took === null ? null : exactly(took)],
    ["changed", html`<${Moment} time=${task.updated_at} whole />`],
    ["cancel requested", task.cancel_requested ? "yes" : "no"],
    ["unique key", task.unique_key && shown(task.unique_key)],
  ];
  return html`<dl class="fields">
    ${fields.map(([name, value]) => html`<div key=${name}>
      <dt>${name}</dt>
      <dd>${value ?? html`<span class="none">–</span>`}</dd>
    </div>`)}
  </dl>`;
}

function Id({ id }) {
  const copy = navigator.clipboard && html`<${CopyButton} text=${() => id} what="id" />`;
  return html`<code>${shown(id)}</code> ${copy}`;
}

function Buttons({ task, changed }) {
  const { id, status } = task;
  const act = (method, said) => async () => {
    await attempt(async () => {
      await call(method, { id });
      return said;
    });
    changed();
  };
  const cancelled = status === "queued" ? "Cancelled" : "Its worker is asked to stop";
  const again = () => {
    prefill({ name: task.name, parameters: task.parameters, priority: task.priority });
    go("#/queue");
  };
  return html`<div class="actions">
    ${(status === "failed" || status === "cancelled") &&
    isFor("operator") &&
    html`<button class="primary" onClick=${act("retry", "Queued again")}>Retry</button>`}
    ${(status === "queued" || (status === "started" && !task.cancel_requested)) &&
    isFor("producer", "operator") &&
    html`<button onClick=${act("cancel", cancelled)}>Cancel</button>`}
    ${isFor("producer") && html`<button onClick=${again}>Queue one like it</button>`}
    ${FINISHED.has(status) &&
    isFor("operator") &&
    html`<button class="danger" onClick=${() => remove(task)}>Delete</button>`}
  </div>`;
}

async function remove({ id, name }) {
  const sure = await confirmed({
    title: "Delete this task?",
    text: `${shown(name)} ${id}, with its result and its history.`,
    action: "Delete",
    danger: true,
  });
  if (!sure) return;
  const deleted = await attempt(async () => {
    await call("delete_task", { id });
    return `${shown(name)} deleted`;
  });
  if (deleted) go("#/tasks");
}
