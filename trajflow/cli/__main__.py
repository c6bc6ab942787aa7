"""`python -m trajflow.cli`."""

from trajflow.cli import main

if __name__ == "__main__":
    main()
