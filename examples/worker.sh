#!/usr/bin/env bash
# A worker in shell, with curl and jq:   ./worker.sh
# Give it something to do:   jsonrpc-qm queue word-count '{"text": "to be or not to be"}' --wait
set -o pipefail
url=${JSONRPC_QM_URL:-http://127.0.0.1:8642}/rpc
lease=60 # seconds without a heartbeat, after which another worker gets the task

# The job: parameters as JSON on stdin, the result as JSON on stdout. An exit code other than 0
# fails the task, with what is on stderr as its error; the manager has it tried again later.
word_count() {
  jq -r '(.text? | strings) // ("parameters.text must be a string" | halt_error)' |
    LC_ALL=C.UTF-8 wc -w | jq '{words: .}'
}

# A heartbeat every third of the lease, until this is killed or the worker has gone.
keep_lease() {
  trap 'kill "$!"' EXIT && trap exit TERM
  while sleep $((lease / 3)) & wait "$!" && kill -0 "$$"; do "${post[@]}" -d @held >beaten; done
}

cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT || exit 1
trap 'stopping=1; [ -z "$claim" ] || { kill "$claim"; wait "$claim"; }' TERM INT
printf '%s\n' 'Content-Type: application/json' \
  ${JSONRPC_QM_TOKEN:+"Authorization: Bearer $JSONRPC_QM_TOKEN"} >headers
post=(curl -sS --fail --connect-timeout 5 --max-time 60 -H @headers "$url")
call() { # call FILTER [JQ'S OPTIONS AND FILES]: a request
  jq --arg worker "$HOSTNAME:$$" --argjson lease "$lease" '{jsonrpc: "2.0", id: 1} + '"$1" "${@:2}"
}
call '{method: "claim", params: {names: ["word-count"], $worker, $lease, wait: 20}}' -n >request
call '{method: "heartbeat", params: {leases: [], $worker}}' -n >idle

until [ "$stopping" ]; do
  "${post[@]}" -d @request >answer & claim=$! # in the background: SIGTERM ends the wait at once
  wait "$claim"; claim=
  jq -es '.[0].result' answer >tasks || { cat answer; [ "$stopping" ] || sleep 2; continue; }
  if ! jq -e '.[0]' tasks >task; then # nothing came in 20 seconds, or an operator asks it to stop
    [ "$stopping" ] || "${post[@]}" -d @idle | jq -e .result.drain >drain && break
    sleep 1; continue
  fi
  call '{method: "heartbeat", params: {leases: [{id, token}], $worker}}' task >held
  keep_lease 2>/dev/null & beating=$!; disown
  if jq .parameters task | word_count >result 2>error; then
    call '{method: "complete", params: {id, token, result: input}}' task result
  else
    call '{method: "fail", params: {id, token, error: {type: "WordCountFailed", $message}}}' \
      --rawfile message error task
  fi >outcome
  kill "$beating"
  # Sent until it is answered, which its token makes safe; -32006 is "Unavailable".
  until "${post[@]}" -d @outcome >answer && jq -e '.error.code != -32006' answer >/dev/null; do
    [ "$stopping" ] && exit; sleep 2
  done
  jq -c '.error // empty' answer >&2
done
