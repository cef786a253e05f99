<?php
// A worker in PHP 8, with its curl and pcntl extensions:   php worker.php
// Give it something to do:   jsonrpc-qm queue word-count '{"text": "to be or not to be"}' --wait
pcntl_async_signals(true);
foreach ([SIGTERM, SIGINT] as $signal) {
    pcntl_signal($signal, function () { $GLOBALS['stopping'] = true; });
}

// The job: parameters in, result out. What it throws fails the task, which is tried again later.
function word_count($parameters) {
    $text = $parameters->text ?? null;
    if (!is_string($text)) throw new InvalidArgumentException('parameters.text must be a string');
    return ['words' => preg_match_all('/\S+/u', $text)];
}

// Calls a method until it is answered. For an outcome that is safe: it carries the task's token.
function call($method, $params) {
    $curl = curl_init((getenv('JSONRPC_QM_URL') ?: 'http://127.0.0.1:8642') . '/rpc');
    $request = ['jsonrpc' => '2.0', 'id' => 1, 'method' => $method, 'params' => $params];
    curl_setopt_array($curl, [
        CURLOPT_POSTFIELDS => json_encode($request), CURLOPT_RETURNTRANSFER => true,
        CURLOPT_HTTPHEADER => ['Content-Type: application/json'], CURLOPT_TIMEOUT => 60,
        // Asked every second: whether to hang up. A claim that waits does so on a signal.
        CURLOPT_XFERINFOFUNCTION => fn() => $method == 'claim' && $GLOBALS['stopping'],
        CURLOPT_NOPROGRESS => false,
    ]);
    for (;;) {
        $answer = json_decode(curl_exec($curl) ?: 'null');
        if (isset($answer->result) || $GLOBALS['stopping']) return $answer->result ?? [];
        fprintf(STDERR, "%s: %s\n", $method, json_encode($answer->error ?? curl_error($curl)));
        sleep(1);
        if (!in_array($answer->error->code ?? -32006, [-32006])) return []; // not just Unavailable
    }
}
