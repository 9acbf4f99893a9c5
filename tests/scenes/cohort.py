"""Words for tests of cohorts: a file of learners, what is sent, and waiting for the job."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import orjson

from tests.scenes.issuer import Scene, draft, issuer

SHARED = draft(holder=None)
"""The example without its learner: a template."""


def csv(learners: int, first: int = 0, **columns: str) -> bytes:
    """A file of so many learners, each with a number of the institution's own."""
    named = ",".join(["external_id", "given_name", "family_name", *columns])
    rows = (",".join([f"M{n}", "Mari", f"Maasikas{n}", *columns.values()]) for n in range(first, first + learners))
    return "\n".join([named, *rows]).encode()


def body(file: bytes, media_type: str = "text/csv", **changes: Any) -> dict[str, Any]:
    """The request for a file of learners."""
    coded = base64.b64encode(file).decode()
    return {"institution": "tartu", "template": SHARED, "media_type": media_type, "file": coded, **changes}


async def accepts(scene: Scene, file: bytes, **changes: Any) -> str:
    """A cohort is accepted; its id."""
    answer = await scene.post("/cohorts", body(file, **changes))
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def ends(scene: Scene, cohort: str) -> dict[str, Any]:
    """Wait until the job has ended; how it stands then."""
    async with asyncio.timeout(60):
        while not (stands := (await scene.get(f"/cohorts/{cohort}")).json())["ended"]:
            await asyncio.sleep(0.01)
    return dict(stands)


async def result(scene: Scene, cohort: str) -> list[dict[str, Any]]:
    """The result, row by row."""
    answer = await scene.get(f"/cohorts/{cohort}/result")
    assert answer.status_code == 200, answer.text
    return [orjson.loads(line) for line in answer.content.splitlines()]


def table(answer: httpx2.Response) -> dict[int, list[tuple[str, str]]]:
    """A fault table: place and rule of each fault, by row."""
    return {row["row"]: [(one["path"], one["rule"]) for one in row["faults"]] for row in answer.json()["table"]}


@asynccontextmanager
async def tartu(folder: Path) -> AsyncIterator[Scene]:
    """An issuer with one accredited institution."""
    async with issuer(folder) as scene:
        await scene.accredit()
        yield scene
