#!/usr/bin/env bash
# A worker in shell, with curl and jq:   ./worker.sh
# Give it something to do:   jsonrpc-qm queue word-count '{"text": "to be or not to be"}' --wait
set -o pipefail
url=${JSONRPC_QM_URL:-http://127.0.0.1:8642}/rpc

# The job: parameters as JSON on stdin, the result as JSON on stdout. An exit code other than 0
# fails the task, with what is on stderr as its error; the manager has it tried again later.
word_count() {
  jq -r '(.text? | strings) // ("parameters.text must be a string" | halt_error)' |
    LC_ALL=C.UTF-8 wc -w | jq '{words: .}'
}

post=(curl -sS --fail --connect-timeout 5 --max-time 60 -H 'Content-Type: application/json' "$url")

cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT || exit 1
trap 'stopping=1; [ -z "$claim" ] || { kill "$claim"; wait "$claim"; }' TERM INT
jq -n --arg worker "$HOSTNAME:$$" '{jsonrpc: "2.0", id: 1, method: "claim",
  params: {names: ["word-count"], worker: $worker, wait: 20}}' >request

until [ "$stopping" ]; do
  "${post[@]}" -d @request >answer & claim=$! # in the background: SIGTERM ends the wait at once
  wait "$claim"; claim=
  jq -es '.[0].result' answer >tasks || { cat answer; [ "$stopping" ] || sleep 2; continue; }
  jq -e '.[0]' tasks >task || continue # nothing came in 20 seconds
  if jq .parameters task | word_count >result 2>error; then
    jq '{method: "complete", params: {id, token, result: input}}' task result
  else
    jq --rawfile message error '{method: "fail",
      params: {id, token, error: {type: "WordCountFailed", message: $message}}}' task
  fi | jq '{jsonrpc: "2.0", id: 1} + .' >outcome
  # Sent until it is answered, which its token makes safe; -32006 is "Unavailable".
  until "${post[@]}" -d @outcome >answer && jq -e '.error.code != -32006' answer >/dev/null; do
    [ "$stopping" ] && exit; sleep 2
  done
  jq -c '.error // empty' answer >&2
done
