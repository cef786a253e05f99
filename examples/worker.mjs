// A worker in JavaScript, for Node 18 or later, without packages:   node worker.mjs
// Give it something to do:   jsonrpc-qm queue word-count '{"text": "to be or not to be"}' --wait
import { setTimeout as sleep } from "node:timers/promises";

const url = `${process.env.JSONRPC_QM_URL ?? "http://127.0.0.1:8642"}/rpc`;
const headers = { "Content-Type": "application/json" };
const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"]) process.once(name, () => stop.abort());

// The job: parameters in, result out. What it throws fails the task, which is tried again later.
async function wordCount(parameters) {
  if (typeof parameters?.text !== "string") throw new TypeError("parameters.text must be a string");
  return { words: parameters.text.match(/\S+/g)?.length ?? 0 };
}

// Calls a method until it is answered. For an outcome that is safe: it carries the task's token.
async function call(method, params, signal) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  for (;;) {
    const answer = await fetch(url, { method: "POST", headers, body, signal })
      .then((response) => response.json())
      .catch((error) => ({ error }));
    if (!answer.error || stop.signal.aborted) return answer.result ?? [];
    console.error(method, answer.error);
    await sleep(1000);
    if (answer.error.code < 0 && answer.error.code !== -32006) return []; // not just Unavailable
  }
}

const claim = { names: ["word-count"], worker: `worker.mjs:${process.pid}`, wait: 20 };
while (!stop.signal.aborted) {
  for (const { id, token, parameters } of await call("claim", claim, stop.signal)) {
    try {
      await call("complete", { id, token, result: await wordCount(parameters) });
    } catch ({ name, message }) {
      await call("fail", { id, token, error: { type: name, message } });
    }
  }
}
