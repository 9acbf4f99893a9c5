"""Logs, traces and metrics name who acts, carry a trace across, and never trip over what a stranger sends."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.settings import NodeSettings
from shared.telemetry import (
    Telemetry,
    continue_from,
    counter,
    current_trace_id,
    current_traceparent,
    gauge,
    get_logger,
    histogram,
    setup,
    span,
)

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
ROOT = Path(__file__).resolve().parents[3]


def telemetry(service: str = "registry", node: str = "ee") -> Telemetry:
    return setup(service, node, NodeSettings.load(node=node, log_format="json"))


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_outside_a_span_there_is_no_trace() -> None:
    assert current_traceparent() == current_trace_id() == ""


def test_spans_inside_one_another_share_a_trace() -> None:
    with span("outer"):
        outer = current_traceparent()
        with span("inner", entries=3):
            inner = current_traceparent()
    assert outer[3:35] == inner[3:35] != "0" * 32
    assert outer[36:52] != inner[36:52]
    assert current_traceparent() == ""


def test_a_trace_goes_on_from_a_traceparent() -> None:
    with continue_from(TRACE):
        assert current_traceparent() == TRACE
        with span("here"):
            assert current_trace_id() == "a" * 32
            assert current_traceparent() != TRACE


def test_a_trace_survives_the_hop_through_its_own_traceparent() -> None:
    with span("sender"):
        carried, trace = current_traceparent(), current_trace_id()
    with continue_from(carried), span("receiver"):
        assert current_trace_id() == trace


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        TRACE.upper(),
        TRACE + "\n",
        TRACE + "-extra",
        "ff" + TRACE[2:],
        "00-" + "0" * 32 + "-" + "b" * 16 + "-01",
        "00-" + "a" * 32 + "-" + "0" * 16 + "-01",
        "00-" + "\u0661" * 32 + "-" + "b" * 16 + "-01",
    ],
)
def test_a_malformed_traceparent_is_as_good_as_none(value: str) -> None:
    with continue_from(value):
        assert current_traceparent() == ""


@given(st.text())
def test_no_traceparent_can_raise(value: str) -> None:
    with continue_from(value), span("here"):
        assert len(current_trace_id()) == 32


def test_measurements_are_shown_under_who_acts() -> None:
    ee, pt = telemetry(node="ee"), telemetry(node="pt")
    made = counter("testamur_registry_tests_total", "Made by a test.")
    for one, amount in ((ee, 2), (pt, 3), (ee, 1)):
        with one.active():
            made.add(amount, outcome="good")
    text = ee.metrics().decode()
    assert 'testamur_registry_tests_total{node="ee",outcome="good",service="registry"} 3.0' in text
    assert 'testamur_registry_tests_total{node="pt",outcome="good",service="registry"} 3.0' in text


def test_a_histogram_has_buckets_for_seconds_and_a_gauge_its_last_value() -> None:
    one = telemetry()
    with one.active():
        histogram("testamur_registry_test_seconds", "Taken by a test.").record(0.03)
        level = gauge("testamur_registry_lag_entries", "Behind.")
        level.set(9)
        level.set(4)
    text = one.metrics().decode()
    assert 'testamur_registry_test_seconds_bucket{le="0.025",node="ee",service="registry"} 0.0' in text
    assert 'testamur_registry_test_seconds_bucket{le="0.05",node="ee",service="registry"} 1.0' in text
    assert 'testamur_registry_lag_entries{node="ee",service="registry"} 4.0' in text


@pytest.mark.parametrize("name", ["requests_total", "testamur_", "testamur_x", "testamur_Registry_x_total", "testamur-a-b"])
def test_a_metric_of_another_name_cannot_be_made(name: str) -> None:
    with pytest.raises(ValueError, match="testamur_<service>_<noun>_<unit>"):
        counter(name, "x")


def test_who_acts_ends_with_its_block() -> None:
    one = telemetry(node="pt")
    with one.active(), telemetry(node="ee").active():
        pass
    with one.active():
        counter("testamur_registry_ends_total", "x").add()
    assert 'testamur_registry_ends_total{node="pt",service="registry"} 1.0' in one.metrics().decode()


def test_a_log_line_says_who_where_and_in_which_trace(capsys: pytest.CaptureFixture[str]) -> None:
    with telemetry().active(), span("work"):
        get_logger("registry.test").info("entry sequenced", seq=7)
        trace = current_trace_id()
    (line,) = logged(capsys)
    expected = {"part": "registry.test", "event": "entry sequenced", "seq": 7, "level": "info", "trace_id": trace}
    assert expected.items() <= line.items()
    assert {"service": "registry", "node": "ee"}.items() <= line.items()
    assert str(line["timestamp"]).endswith("Z")


def test_an_exception_is_logged_without_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry()

    def fails(passphrase: str) -> None:
        raise ValueError("no")

    try:
        fails("correct horse")
    except ValueError:
        get_logger("test").exception("it failed")
    text = capsys.readouterr().err
    assert "ValueError" in text
    assert "correct horse" not in text


def test_what_libraries_log_takes_the_same_way_from_warning_on(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry()
    telemetry()
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("disk is %s", "full")
    (line,) = logged(capsys)
    assert (line["event"], line["level"], line["logger"]) == ("disk is full", "warning", "some.library")


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    setup("registry", "ee", NodeSettings.load(node="ee", log_level="error", log_format="json"))
    get_logger("test").warning("quiet")
    assert capsys.readouterr().err == ""


def test_before_it_is_switched_on_a_library_user_sees_warnings_only() -> None:
    code = "from shared.telemetry import get_logger as g; g('x').info('no'); g('x').warning('yes')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == ""
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["yes"]


def test_spans_are_exported_only_where_an_endpoint_is_named() -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `production` is not installed")
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    code = (
        "from shared.settings import NodeSettings as S\nfrom shared.telemetry import *\n"
        "t = setup('registry', 'ee', S.load(node='ee'))\n"
        "with t.active(), span('a-telling-name'): print(current_traceparent()[-2:])\n"
        "t.flush()"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TESTAMUR_"))}
    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
            flags = [
                subprocess.run(
                    [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True, env=plain | more
                ).stdout.strip()
                for more in ({}, endpoint)
            ]
        finally:
            server.shutdown()
            thread.join()
    assert flags == ["00", "01"]
    assert [path for path, _ in received] == ["/v1/traces"]
    assert b"a-telling-name" in received[0][1]
