"""`python -m jsonrpc_qm` is the `jsonrpc-qm` command."""

from jsonrpc_qm.cli.main import main

main()
