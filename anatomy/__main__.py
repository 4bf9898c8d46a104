"""`python -m anatomy` is the `anatomy` command."""

from anatomy.cli import main

if __name__ == "__main__":
    main()
