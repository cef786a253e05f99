// A worker in JavaScript, for Node 18 or later, without packages:   node worker.mjs
// Give it something to do:   jsonrpc-qm queue word-count '{"text": "to be or not to be"}' --wait
import { setTimeout as sleep } from "node:timers/promises";

const url = `${process.env.JSONRPC_QM_URL ?? "http://127.0.0.1:8642"}/rpc`;
const accessToken = process.env.JSONRPC_QM_TOKEN;
const headers = { "Content-Type": "application/json" };
if (accessToken) headers.Authorization = `Bearer ${accessToken}`;
const worker = `worker.mjs:${process.pid}`;
const lease = 60; // seconds without a heartbeat, after which another worker gets the task
const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"]) process.once(name, () => stop.abort());

// The job: parameters in, result out. What it throws fails the task, which is tried again later.
async function wordCount(parameters) {
  if (typeof parameters?.text !== "string") throw new TypeError("parameters.text must be a string");
  return { words: parameters.text.match(/\S+/g)?.length ?? 0 };
}

function post(method, params, signal) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  return fetch(url, { method: "POST", headers, body, signal })
    .then((response) => response.json())
    .catch((error) => ({ error }));
}

// Calls a method until it is answered. For an outcome that is safe: it carries the task's token.
async function call(method, params, signal) {
  for (;;) {
    const answer = await post(method, params, signal);
    if (!answer.error || stop.signal.aborted) return answer.result ?? [];
    console.error(method, answer.error);
    await sleep(1000);
    if (answer.error.code < 0 && answer.error.code !== -32006) return []; // not just Unavailable
  }
}

async function work({ id, token, parameters }) {
  // It beats whenever the job awaits something; what computes for long belongs in a thread.
  const beat = () => post("heartbeat", { leases: [{ id, token }], worker });
  const beating = setInterval(beat, (lease * 1000) / 3);
  const job = wordCount(parameters).finally(() => clearInterval(beating));
  const [method, outcome] = await job.then(
    (result) => ["complete", { result }],
    ({ name, message }) => ["fail", { error: { type: name, message } }],
  );
  await call(method, { id, token, ...outcome });
}

while (!stop.signal.aborted) {
  const tasks = await call("claim", { names: ["word-count"], worker, lease }, stop.signal);
  for (const task of tasks) await work(task);
  if (tasks.length || stop.signal.aborted) continue;
  const idle = await post("heartbeat", { leases: [], worker });
  if (idle.result?.drain) break; // an operator asks it to stop
  await sleep(1000);
}
