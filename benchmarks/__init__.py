"""What `make bench` measures: this project beside an aiohttp handler that answers a constant.

__main__.py    the command: chooses, runs, prints
run.py         what is measured beside the floor
plan.py        how much is measured
row.py         one line of the table: figure, base, ratio, target
show.py        the table for people, for a document, and as JSON
compare.py     base and figure in turns, on a noisy machine
machine.py     what the figures were measured on

processes.py   starts and stops servers and workers, reads what they use
floor.py       the server that answers a constant
connection.py  HTTP/1.1 with as little work as possible
calls.py       requests as bytes, answers as values
load.py        the load: closed loops over many connections
manager.py     a manager under measurement, in a process of its own
noop.py        the app whose tasks do nothing

rates.py       single calls, bulk, reports
drain.py       `jsonrpc-qm work`
latency.py     from queue to worker, from queue to result
prefill.py     a storage with many tasks
many.py        rates, reads and memory there
idle.py        idle long polls
startup.py     until the first answer, until the help
dashboard.py   until the dashboard is shown; a program of its own

storages.py    other storages beside SQLite
kinds.py       which
servers.py     their servers, private ones
several.py     rates of several managers
sizes.py       bytes a task
"""
