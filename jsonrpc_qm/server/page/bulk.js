// What can be done with many tasks at once: those that are selected, or all that match.

import { Component, html } from "./html.js";
import { confirmed } from "./confirm.js";
import { inWords } from "./filter.js";
import { attempt, say } from "./notice.js";
import { call } from "./rpc.js";
import { count, plural, sentence } from "./text.js";

const ACTIONS = [
  {
    verb: "retry",
    label: "Retry",
    can: "failed or cancelled",
    states: ["failed", "cancelled"],
    done: "queued again",
  },
  {
    verb: "cancel",
    label: "Cancel",
    can: "unfinished",
    states: ["queued", "started"],
    done: "cancelled, or about to be",
  },
  {
    verb: "delete",
    label: "Delete",
    can: "finished",
    states: ["completed", "failed", "cancelled"],
    done: "deleted",
    danger: true,
  },
];

export class Bulk extends Component {
  // The verb that is at work, and what it is at.
  state = { verb: null, doing: "" };

  // `which` are the params that choose the tasks: ids, or a filter; `none` says that no task is one.
  async act({ verb, label, can, done, danger }) {
    const { which, described, changed } = this.props;
    this.setState({ verb, doing: "Counting…" });
    let number = 0;
    const counted = await attempt(async () => {
      number = await call(`${verb}_many`, { ...which, dry_run: true });
    });
    this.setState({ verb: null });
    if (!counted) return;
    if (!Number(number)) {
      say(`None of ${described} is ${can}.`, "failed");
      return;
    }
    const sure = await confirmed({
      title: `${label} ${plural(number, "task")}?`,
      text: `${sentence(described)}${which.status ? "" : `, as far as they are ${can}`}.`,
      action: `${label} ${count(number)}`,
      danger,
    });
    if (!sure) return;
    this.setState({ verb, doing: "Working…" });
    await attempt(async () => {
      const changed = await call(`${verb}_many`, which);
      return `${plural(changed, "task")} ${done}.`;
    });
    this.setState({ verb: null });
    changed();
  }

  render({ which, described, none }, { verb, doing }) {
    const fits = ({ states }) => !which.status || states.includes(which.status);
    return html`<div class="bulk" role="group" aria-label=${`With ${described}`}>
      <span>With ${described}:</span>
      ${ACTIONS.map(
        (action) => html`<button
          key=${action.verb}
          disabled=${none || verb !== null || !fits(action)}
          onClick=${() => this.act(action)}
        >
          ${verb === action.verb ? doing : action.label}
        </button>`,
      )}
    </div>`;
  }
}

// Who the buttons are for, in words.
export function describedBy(selected, filter) {
  if (selected) return selected === 1 ? "the selected task" : `the ${count(selected)} selected`;
  return `all ${inWords(filter)}`;
}
