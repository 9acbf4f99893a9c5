"""The engines' files: `python -m tests.engines fetch | prepare | show | jars FOLDER`.

`fetch` (`make engines`)   all that the tests can use here: images, where a Docker engine answers, and the process form;
                           exit code 1 when an engine cannot be had in any form
`prepare` (`make test`)    only what it takes to have each engine in one form; never fails, says what is missing
`show`                     what can be had, and why the rest cannot
`jars FOLDER`              the list kafka-jars.sha256 for a folder of jars
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.engines import choice, fetch

ENGINES = (choice.KAFKA, choice.MONGO)


def missing() -> list[str]:
    """The engines that cannot be had in any form."""
    return [one for one in ENGINES if not (choice.address(one) or choice.available(one))]


def show() -> None:
    """A line for each engine and form."""
    for engine in ENGINES:
        if choice.address(engine):
            print(f"{engine}: environment ({choice.VARIABLES[engine]})")
        for form in choice.SHARED_ORDER:
            print(f"{engine}: {form}: {choice.why_not(engine, form) or 'here'}")


def get() -> int:
    """Fetch everything, then show."""
    fetch.images()
    fetched = fetch.everything()
    show()
    for engine, reason in fetched.items():
        if reason:
            print(f"{engine} was not fetched: {reason}", file=sys.stderr)
    return 1 if missing() else 0


def prepare() -> None:
    """Fetch what is missing altogether."""
    if missing():
        print(f"Fetching what the tests need of {' and '.join(missing())}, once (make engines)", file=sys.stderr)
        fetch.images()
    if missing():
        fetch.everything()
    for engine in missing():
        reasons = "; ".join(f"{form}: {choice.why_not(engine, form)}" for form in choice.SHARED_ORDER)
        print(f"No {engine} here, so what needs it will be skipped ({reasons})", file=sys.stderr)


def main(*words: str) -> int:
    """The exit code of a command."""
    match words:
        case ("fetch",):
            return get()
        case ("prepare",):
            prepare()
        case ("show",):
            show()
        case ("jars", folder):
            sys.stdout.write(fetch.jar_list(Path(folder)))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
