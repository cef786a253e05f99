// Says when something has changed: by the manager's stream of events while it can be had, else
// every few seconds. While nobody looks at the page the stream is closed, and nothing is said.

import { whenCalled } from "./rpc.js";

const POLL_EVERY = 5000;
const CONFIRM_EVERY = 15000; // what time alone has changed is in no event
const REOPEN_AFTER = 5000;

class Live {
  listeners = new Set();
  #state = "hidden";
  #away = false;
  #stopped = false;
  #stream = null;
  #timers = [];

  // "connecting", "live", "polling", "offline" or "hidden". What the stream says of the manager
  // counts until a call has shown otherwise.
  get state() {
    return this.#away && this.#state !== "hidden" ? "offline" : this.#state;
  }

  start() {
    whenCalled((answered) => this.#become(this.#state, !answered));
    document.addEventListener("visibilitychange", () => this.#look());
    this.#look();
  }

  // Have a function called on each change, and each second for what shows the time. Gives one that
  // ends it.
  listen(changed, ticked) {
    const listener = { changed, ticked };
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  // Ask for nothing until `restart`: the manager does not know who asks.
  stop() {
    this.#stopped = true;
    this.#close("hidden");
  }

  restart() {
    this.#stopped = false;
    this.#look();
  }

  #look() {
    if (document.hidden || this.#stopped) this.#close("hidden");
    else if (!this.#stream) {
      this.#open();
      this.#every(1000, () => this.#call("ticked"));
      this.#every(POLL_EVERY, () => this.state !== "live" && this.#call("changed"));
      this.#every(CONFIRM_EVERY, () => this.#call("changed"));
    }
  }

  #open() {
    const stream = new EventSource("events");
    this.#stream = stream;
    this.#become("connecting");
    stream.addEventListener("open", () => {
      this.#become("live", false);
      this.#call("changed");
    });
    stream.addEventListener("changed", () => this.#call("changed"));
    stream.addEventListener("error", () => {
      // A refusal ends it for good, a lost connection does not.
      const ended = stream.readyState === EventSource.CLOSED;
      if (ended) setTimeout(() => this.#reopen(stream), REOPEN_AFTER);
      const wasLive = this.#state === "live";
      this.#become("polling", this.#away || !(ended || wasLive));
      // Whether the manager is away, or only the stream.
      if (wasLive) this.#call("changed");
    });
  }

  #reopen(stream) {
    if (this.#stream === stream) this.#open();
  }

  #close(state) {
    this.#stream?.close();
    this.#stream = null;
    this.#timers.forEach(clearInterval);
    this.#timers = [];
    this.#become(state);
  }

  #every(milliseconds, action) {
    this.#timers.push(setInterval(action, milliseconds));
  }

  #become(state, away = this.#away) {
    if (state === this.#state && away === this.#away) return;
    this.#state = state;
    this.#away = away;
    this.#call("ticked");
  }

  #call(what) {
    for (const listener of [...this.listeners]) listener[what]?.();
  }
}

export const live = new Live();
