"""wegewart-api: the office from the command line. The commands themselves are in app/commands.py."""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 failed, 2 called wrongly."""
    try:
        from wegewart_api.app.commands import run_command
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("wegewart"):
            raise
        print(f"wegewart-api: {error.name} is missing: install wegewart[api]", file=sys.stderr)
        return 1
    return run_command(argv)


if __name__ == "__main__":
    sys.exit(main())
