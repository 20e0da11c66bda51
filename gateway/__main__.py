"""`python -m gateway` and the command `rooms-gateway`."""

from gateway.cli.main import main

if __name__ == "__main__":
    main()
