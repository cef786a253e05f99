// The question before something that can't be undone.

import { Component, createRef, html } from "./html.js";

let dialog = null;

// Ask; true when the answer is yes. `action` is what its button says.
export function confirmed({ title, text, action, danger = false }) {
  return dialog.ask({ title, text, action, danger });
}

export class Confirmation extends Component {
  state = { question: null };
  #element = createRef();
  #answer = () => {};

  componentDidMount() {
    dialog = this;
  }

  ask(question) {
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#element.current.returnValue = "";
      this.setState({ question }, () => this.#element.current.showModal());
    });
  }

  render() {
    const question = this.state.question ?? {};
    const close = () => this.#answer(this.#element.current.returnValue === "yes");
    return html`<dialog ref=${this.#element} onClose=${close} aria-labelledby="question">
      <form method="dialog">
        <h2 id="question">${question.title}</h2>
        <p>${question.text}</p>
        <div class="actions">
          <button value="no">No, go back</button>
          <button value="yes" class=${question.danger ? "danger" : "primary"}>
            ${question.action}
          </button>
        </div>
      </form>
    </dialog>`;
  }
}
