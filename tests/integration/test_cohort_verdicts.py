"""Promise: the check of a cohort says of each row what issuing it would say; what it passes is issued, to the last row."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.issuer.cohorts.template import CohortTemplate
from tests.scenes.cohort import SHARED, accepts, body, ends, result, table, tartu
from tests.scenes.issuer import Scene

ROWS = st.lists(
    st.fixed_dictionaries(
        {"full_name": st.sampled_from(["Mari Maasikas", "Null", "Õnne 王", " ", "a\u202eb", "x" * 201])},
        optional={
            "grade": st.sampled_from(["5", 5, "", None]),
            "workload": st.sampled_from([{"ects": 2}, {"ects": 40}, {"hours": "PT52H"}, "two"]),
            "workload.hours": st.sampled_from([52, 50, 0, "52"]),
            "level.eqf": st.sampled_from([6, 8, 9]),
            "isced_f": st.sampled_from(["0611", "9999"]),
            "credential_type": st.sampled_from(["micro-credential", "diploma"]),
            "issued": st.sampled_from(["2026-11-23", "2027-11-23", "yesterday"]),
            "valid_until": st.sampled_from(["2030-01-01", "2020-01-01"]),
            "learning_outcomes": st.sampled_from(["Reads tables", [], [{"title": {"et": "Loeb"}}]]),
            "nickname": st.just("M"),
        },
    ),
    min_size=1,
    max_size=4,
)


def test_the_check_and_the_job_are_of_one_mind(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        opened = tartu(tmp_path)
        scene = runner.run(opened.__aenter__())
        try:
            verdicts = set()

            @given(ROWS)
            @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
            def of_one_mind(rows: list[dict[str, Any]]) -> None:
                numbered = [{**row, "external_id": str(at)} for at, row in enumerate(rows)]
                verdicts.add(runner.run(_compare(scene, rows, b"\n".join(map(orjson.dumps, numbered)))))

            of_one_mind()
            assert verdicts == {True, False}, "some were refused and some were issued"
        finally:
            runner.run(opened.__aexit__(None, None, None))


async def _compare(scene: Scene, rows: list[dict[str, Any]], file: bytes) -> bool:
    kind = "application/x-ndjson"
    found = table(await scene.post("/cohorts/check", body(file, kind)))
    alone = {at for at, row in enumerate(rows, 1) if await _refused(scene, row)}
    assert set(found) == alone, "as issuing each row by itself"
    if found:
        refused = await scene.post("/cohorts", body(file, kind))
        assert (refused.status_code, table(refused)) == (422, found)
        return False
    cohort = await accepts(scene, file, media_type=kind)
    stands = await ends(scene, cohort)
    assert (stands["issued"], stands["rows"]) == (len(rows), len(rows))
    assert [row["status"] for row in await result(scene, cohort)] == ["issued"] * len(rows)
    return True


async def _refused(scene: Scene, row: dict[str, Any]) -> bool:
    """Whether the row by itself, as a draft, is refused when it is issued."""
    short = {"full_name": "holder.full_name", "grade": "assessment.grade"}
    values = {short.get(name, name): said for name, said in row.items() if said is not None}
    draft = CohortTemplate(SHARED).filled(values)
    answer = await scene.post("/credentials", {"institution": "tartu", "credential": draft})
    assert answer.status_code in (201, 422), answer.text
    return answer.status_code == 422
