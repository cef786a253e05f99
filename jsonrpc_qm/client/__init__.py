"""The manager from afar: the verbs of the protocol over HTTP, for threads and for asyncio.

`calls` says what each verb sends, `protocol` reads what comes back, `retrying` decides when to send
again; none of them does I/O. `verbs` are the Python methods, `sync` and `aio` the two thin senders.
"""
