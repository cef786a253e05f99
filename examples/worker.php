<?php // A worker in PHP 8, with its extensions curl and pcntl:   php worker.php
// Give it something to do:   jsonrpc-qm queue word-count '{"text": "to be or not to be"}' --wait
define('URL', (getenv('JSONRPC_QM_URL') ?: 'http://127.0.0.1:8642') . '/rpc');
$stopping = false;
pcntl_async_signals(true);
foreach ([SIGTERM, SIGINT] as $signal) pcntl_signal($signal, fn() => $GLOBALS['stopping'] = true);

// The job: parameters in, result out. What it throws fails the task, which is tried again later.
function word_count($params) {
    if (!is_string($params->text ?? null)) throw new TypeError('parameters.text must be a string');
    return ['words' => preg_match_all('/\S+/u', $params->text)];
}

// Calls a method until it is answered. For an outcome that is safe: it carries the task's token.
function call($method, $params) {
    curl_setopt_array($curl = curl_init(URL), [
        CURLOPT_POSTFIELDS => json_encode(['jsonrpc' => '2.0', 'id' => 1, 'method' => $method, 'params' => $params]),
        CURLOPT_HTTPHEADER => ['Content-Type: application/json'], CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 60, CURLOPT_NOPROGRESS => false, // so it asks every second: hang up?
        CURLOPT_XFERINFOFUNCTION => fn() => (int) ($method == 'claim' && $GLOBALS['stopping']),
    ]);
    while (true) {
        $answer = json_decode((string) curl_exec($curl));
        if (isset($answer->result) || $GLOBALS['stopping']) return $answer->result ?? [];
        error_log("$method: " . json_encode($answer->error ?? curl_error($curl)));
        sleep(1);
        if (($answer->error->code ?? -32006) != -32006) return []; // refused, not just Unavailable
    }
}

$claim = ['names' => ['word-count'], 'worker' => 'worker.php:' . getmypid(), 'wait' => 20];
while (!$stopping) foreach (call('claim', $claim) as $task) {
    $ours = ['id' => $task->id, 'token' => $task->token];
    try {
        call('complete', $ours + ['result' => word_count($task->parameters)]);
    } catch (Throwable $e) {
        call('fail', $ours + ['error' => ['type' => $e::class, 'message' => $e->getMessage()]]);
    }
}
