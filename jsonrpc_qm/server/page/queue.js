// The form that queues a task.

import { Component, createRef, html } from "./html.js";
import { parse, textOf } from "./json.js";
import { live } from "./live.js";
import { say } from "./notice.js";
import { SignInNeeded, call } from "./rpc.js";
import { go, to } from "./route.js";

const NUMBERS = ["priority", "delay", "max_attempts", "max_lost", "lease", "timeout", "expires_in"];

const MORE = [
  { name: "run_at", label: "Not before", type: "datetime-local" },
  { name: "delay", label: "Delay, in seconds", hint: "instead of “not before”" },
  { name: "priority", label: "Priority", hint: "higher goes first; 0" },
  { name: "max_attempts", label: "Attempts that may fail", hint: "5" },
  { name: "timeout", label: "Time limit of an attempt, in seconds", hint: "none" },
  { name: "expires_in", label: "Fails if not started in, seconds", hint: "never" },
  { name: "lease", label: "Lease, in seconds", hint: "60" },
  { name: "max_lost", label: "Leases that may expire", hint: "3" },
  { name: "unique_key", label: "Unique key", type: "text" },
  { name: "id", label: "Id", type: "text", hint: "made by the manager" },
];

let given = null;

// What the form begins with when it is shown next.
export function prefill(task) {
  given = task;
}

// The params of `queue`; throws a FormError.
function paramsOf(form) {
  const params = Object.fromEntries(new FormData(form));
  try {
    params.parameters = params.parameters.trim() ? parse(params.parameters) : null;
  } catch (error) {
    throw new FormError("parameters", error.message);
  }
  for (const name of NUMBERS) {
    if (params[name]) params[name] = Number(params[name]);
  }
  if (params.run_at) params.run_at = new Date(params.run_at).toISOString();
  return params;
}

class FormError extends Error {
  constructor(param, reason) {
    super(reason);
    this.data = { param };
  }
}

export class QueueForm extends Component {
  state = { names: [], wrong: null };
  #form = createRef();
  #stop = null;

  componentDidMount() {
    given = null;
    this.#form.current.elements.name.focus();
    this.#propose();
    // Nothing else here would find out that the manager is back.
    this.#stop = live.listen(() => live.state === "offline" && this.#propose());
  }

  componentWillUnmount() {
    this.#stop();
  }

  async #propose() {
    try {
      this.setState({ names: Object.keys((await call("stats")).names).sort() });
    } catch {
      // Then nothing is proposed.
    }
  }

  async submit(event) {
    event.preventDefault();
    try {
      const task = await call("queue", paramsOf(this.#form.current));
      say("Queued");
      go(to(["tasks", task.id]));
    } catch (error) {
      if (error instanceof SignInNeeded) return;
      const param = error.data?.param;
      this.setState({ wrong: { param, reason: error.message } });
      this.#form.current.elements[param]?.focus();
    }
  }

  // What was entered is the browser's to keep: the inputs are never written again.
  render(_, { names, wrong }) {
    const begin = (this.begin ??= given ?? {});
    const isWrong = (name) => wrong?.param === name;
    return html`<form class="queue" ref=${this.#form} onSubmit=${(event) => this.submit(event)}>
      <h1>Queue a task</h1>
      ${wrong && html`<p class="trouble" role="alert">${wrong.reason}</p>`}
      <label>
        Name
        <input
          name="name"
          required
          maxlength="200"
          list="names"
          autocomplete="off"
          defaultValue=${begin.name}
          aria-invalid=${isWrong("name")}
        />
      </label>
      <datalist id="names">
        ${names.map((name) => html`<option key=${name} value=${name} />`)}
      </datalist>
      <label>
        Parameters, as JSON
        <textarea
          name="parameters"
          rows="8"
          spellcheck="false"
          defaultValue=${begin.parameters === undefined ? "{}" : textOf(begin.parameters, 2)}
          aria-invalid=${isWrong("parameters")}
        ></textarea>
      </label>
      <details open=${MORE.some(({ name }) => isWrong(name))}>
        <summary>More</summary>
        <div class="grid">
          ${MORE.map(
            ({ name, label, type, hint }) => html`<label key=${name}>
              ${label}
              <input
                name=${name}
                type=${type ?? "number"}
                step="any"
                placeholder=${hint}
                autocomplete="off"
                defaultValue=${begin[name] && String(begin[name])}
                aria-invalid=${isWrong(name)}
              />
            </label>`,
          )}
        </div>
      </details>
      <div class="actions"><button class="primary">Queue</button></div>
    </form>`;
  }
}
