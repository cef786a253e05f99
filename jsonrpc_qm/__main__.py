"""`python -m jsonrpc_qm` is the `jsonrpc-qm` command."""

from jsonrpc_qm.cli.main import main

if __name__ == "__main__":
    main()
