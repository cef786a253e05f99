// A view that asks the manager for what it shows, again whenever something has changed.

import { Component } from "./html.js";
import { live } from "./live.js";
import { SignInNeeded } from "./rpc.js";

const LEAST_PAUSE = 400; // milliseconds from one answer to the next question
const SHARE = 9; // a question that takes long is asked more seldom: a tenth of the time at most

export class LiveView extends Component {
  state = { error: null };
  #stop = null;
  #timer = null;
  #asking = false;
  #again = false;

  // The members of the state that the manager is asked for; for views to say.
  async load() {
    throw new Error("a view says what it loads");
  }

  componentDidMount() {
    this.#stop = live.listen(
      () => this.soon(),
      () => this.setState({}),
    );
    this.ask();
  }

  componentWillUnmount() {
    this.#stop();
    clearTimeout(this.#timer);
    this.gone = true;
  }

  // Ask when the pause since the last answer is over.
  soon() {
    this.#again = true;
    if (!this.#asking && this.#timer === null) this.ask();
  }

  // Ask now, unless a question is under way: then once more after it.
  async ask() {
    if (this.#asking) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#asking = true;
    this.#again = false;
    const began = performance.now();
    await this.#loaded();
    this.#asking = false;
    if (this.gone) return;
    const pause = Math.max(LEAST_PAUSE, SHARE * (performance.now() - began));
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#again && !document.hidden) this.ask();
    }, pause);
  }

  async #loaded() {
    try {
      const found = await this.load();
      if (!this.gone) this.setState({ ...found, error: null });
    } catch (error) {
      if (!this.gone && !(error instanceof SignInNeeded)) this.setState({ error });
    }
  }
}
