// What came of an action, at the foot of the page, read out by screen readers.

import { Component, html } from "./html.js";
import { SignInNeeded } from "./rpc.js";

const SECONDS = { done: 6, failed: 15 };

let shown = null;

// Say what was done.
export function say(text, kind = "done") {
  shown?.add(text, kind);
}

// Do something the manager may refuse; true when it was done.
export async function attempt(action) {
  try {
    const said = await action();
    if (said) say(said);
    return true;
  } catch (error) {
    if (!(error instanceof SignInNeeded)) say(error.message, "failed");
    return false;
  }
}

export class Notices extends Component {
  state = { notices: [] };
  #next = 1;

  componentDidMount() {
    shown = this;
  }

  add(text, kind) {
    const notice = { id: this.#next++, text, kind };
    this.setState(({ notices }) => ({ notices: [...notices.slice(-2), notice] }));
    setTimeout(() => this.remove(notice.id), SECONDS[kind] * 1000);
  }

  remove(id) {
    this.setState(({ notices }) => ({ notices: notices.filter((notice) => notice.id !== id) }));
  }

  render() {
    return html`<div class="notices" role="status" aria-live="polite">
      ${this.state.notices.map(
        ({ id, text, kind }) => html`<p class=${`notice ${kind}`} key=${id}>
          <span>${text}</span>
          <button class="quiet" aria-label="Dismiss" onClick=${() => this.remove(id)}>✕</button>
        </p>`,
      )}
    </div>`;
  }
}
