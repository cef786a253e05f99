// Instead of tasks, while there are none: how to queue one.

import { html } from "./html.js";
import { isFor, role } from "./sign-in.js";

// Where commands look for a manager by themselves, by HTTP.
const DEFAULTS = ["127.0.0.1:8642", "localhost:8642"];

export function NoTasks() {
  return html`<section class="nothing">
    <h2>There are no tasks</h2>
    ${isFor("producer")
      ? html`<p><a href="#/queue">Queue one</a>, or from a shell${withToken()}:</p>
          <pre>jsonrpc-qm queue hello '{"name": "Ada"}'${where()}</pre>`
      : html`<p>They are shown here when somebody has queued them.</p>`}
  </section>`;
}

function withToken() {
  return role() === null ? "" : html`, with a token in <code>JSONRPC_QM_TOKEN</code>`;
}

function where() {
  const manager = new URL(".", location.href).href.replace(/\/$/, "");
  return DEFAULTS.includes(manager.replace("http://", "")) ? "" : ` --manager ${manager}`;
}
