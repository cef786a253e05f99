// States of tasks.

import { html } from "./html.js";
import { duration, now } from "./time.js";

export const STATUSES = ["queued", "started", "completed", "failed", "cancelled"];

export const FINISHED = new Set(["completed", "failed", "cancelled"]);

// The last of what has happened to a task, and when.
export function latest(task) {
  if (FINISHED.has(task.status)) return ["finished", task.finished_at];
  if (task.status === "started") return ["started", task.started_at];
  return ["queued", task.created_at];
}

// A task's state, in words that say a little more than `status` does.
export function Status({ task }) {
  const ahead = (Date.parse(task.run_at) - now()) / 1000;
  let words = task.status;
  if (task.status === "queued" && ahead > 0) words = `due in ${duration(Math.ceil(ahead))}`;
  if (task.status === "started" && task.cancel_requested) words = "cancelling";
  return html`<span class=${`status ${task.status}`}>${words}</span>`;
}
