// The top of the page: where to go, whether it is live, how it looks.

import { Component, createRef, html } from "./html.js";
import { KeyList, listen } from "./keys.js";
import { live } from "./live.js";
import { attempt } from "./notice.js";
import { openPlaces } from "./places.js";
import { leave, role } from "./sign-in.js";
import * as theme from "./theme.js";

const STATES = {
  live: "changes are shown at once",
  connecting: "connecting",
  polling: "no stream of changes: looking every 5 seconds",
  offline: "the manager does not answer: trying again every 5 seconds",
  hidden: "",
};

export class Header extends Component {
  #help = createRef();

  componentDidMount() {
    live.listen(null, () => this.setState({}));
    listen(() => this.#help.current.showModal());
  }

  render({ place, stranger, left }) {
    const turn = () => {
      theme.next();
      this.setState({});
    };
    const help = () => this.#help.current.showModal();
    const out = () =>
      attempt(async () => {
        await leave();
        left();
      });
    return html`<header class="top">
      <a class="brand" href="#/">jsonrpc-qm</a>
      <nav aria-label="Places">
        ${(stranger ? [] : openPlaces()).map(
          ({ address, title, name }) => html`<a
            key=${name}
            href=${address}
            aria-current=${place === name ? "page" : undefined}
            >${title}</a
          >`,
        )}
      </nav>
      ${!stranger &&
      html`<span class=${`live ${live.state}`} title=${STATES[live.state]}>${live.state}</span>`}
      <button class="quiet" onClick=${turn}>
        <span class="dim">Theme:</span> ${theme.current()}
      </button>
      <button class="quiet keys-button" aria-label="Keys" onClick=${help}>?</button>
      ${!stranger &&
      role() !== null &&
      html`<button class="quiet" title=${`signed in as ${role()}`} onClick=${out}>Sign out</button>`}
      <dialog ref=${this.#help} aria-labelledby="keys">
        <form method="dialog">
          <h2 id="keys">Keys</h2>
          <${KeyList} />
          <div class="actions"><button>Close</button></div>
        </form>
      </dialog>
    </header>`;
  }
}
