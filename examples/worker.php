<?php // A worker in PHP 8, with its extensions curl and pcntl:   php worker.php
// Give it something to do:   jsonrpc-qm queue word-count '{"text": "to be or not to be"}' --wait
define('URL', (getenv('JSONRPC_QM_URL') ?: 'http://127.0.0.1:8642') . '/rpc');
define('HEADERS', ['Content-Type: application/json',
    ...(getenv('JSONRPC_QM_TOKEN') ? ['Authorization: Bearer ' . getenv('JSONRPC_QM_TOKEN')] : [])]);
define('WORKER', 'worker.php:' . getmypid());
const LEASE = 60; // seconds without a heartbeat, after which another worker gets the task
$stopping = false;
pcntl_async_signals(true);
foreach ([SIGTERM, SIGINT] as $signal) pcntl_signal($signal, fn() => $GLOBALS['stopping'] = true);

// The job: parameters in, result out. What it throws fails the task, which is tried again later.
function word_count($params) {
    if (!is_string($params->text ?? null)) throw new TypeError('parameters.text must be a string');
    return ['words' => preg_match_all('/\S+/u', $params->text)];
}

// PHP beats between two statements of the job. A single one that may take longer than the lease,
// such as a query, needs a longer lease. The alarm also ends a sleep() early.
pcntl_signal(SIGALRM, function () {
    call('heartbeat', ['leases' => [$GLOBALS['ours']], 'worker' => WORKER]);
    pcntl_alarm(intdiv(LEASE, 3));
});

// Calls a method until it is answered. For an outcome that is safe: it carries the task's token.
function call($method, $params) {
    curl_setopt_array($curl = curl_init(URL), [
        CURLOPT_POSTFIELDS => json_encode(['jsonrpc' => '2.0', 'id' => 1, 'method' => $method, 'params' => $params]),
        CURLOPT_HTTPHEADER => HEADERS, CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 60, CURLOPT_NOSIGNAL => true, CURLOPT_NOPROGRESS => false, // so it asks every second: hang up?
        CURLOPT_XFERINFOFUNCTION => fn() => (int) ($method == 'claim' && $GLOBALS['stopping']),
    ]);
    while (true) {
        $answer = json_decode((string) curl_exec($curl));
        if (isset($answer->result) || $GLOBALS['stopping']) return $answer->result ?? [];
        error_log("$method: " . json_encode($answer->error ?? curl_error($curl)));
        if ($method == 'heartbeat') return []; // the next one comes anyway
        sleep(1);
        if (($answer->error->code ?? -32006) != -32006) return []; // refused, not just Unavailable
    }
}

while (!$stopping) {
    $tasks = call('claim', ['names' => ['word-count'], 'worker' => WORKER, 'lease' => LEASE]);
    foreach ($tasks as $task) {
        $ours = ['id' => $task->id, 'token' => $task->token];
        pcntl_alarm(intdiv(LEASE, 3));
        try {
            [$method, $outcome] = ['complete', ['result' => word_count($task->parameters)]];
        } catch (Throwable $e) {
            [$method, $outcome] = ['fail', ['error' => ['type' => $e::class, 'message' => $e->getMessage()]]];
        }
        pcntl_alarm(0);
        call($method, $ours + $outcome);
    }
    if ($tasks || $stopping) continue;
    if (call('heartbeat', ['leases' => [], 'worker' => WORKER])->drain ?? false) break; // asked to stop
    sleep(1);
}
