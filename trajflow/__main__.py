"""`python -m trajflow`."""

from trajflow.cli import main

if __name__ == "__main__":
    main()
