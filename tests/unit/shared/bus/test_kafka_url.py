"""A Kafka URL says everything that a client needs, hides its password, and each fault in it is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.kafka.url import KafkaUrl
from shared.errors import Misconfigured

SECRET = "s3cr:t/p@ss?"
ENCODED = "s3cr%3At%2Fp%40ss%3F"


def test_a_host_alone_is_enough() -> None:
    url = KafkaUrl.parse("kafka://broker")
    assert url.bootstrap == "broker:9092"
    assert url.aiokafka() == {"bootstrap_servers": ["broker:9092"], "security_protocol": "PLAINTEXT"}
    assert url.librdkafka() == {"bootstrap.servers": "broker:9092", "security.protocol": "plaintext"}


def test_several_brokers_are_named_with_or_without_ports() -> None:
    url = KafkaUrl.parse("kafka://a.example.org:19092,127.0.0.1,[2001:db8::1]:9,[::1]/")
    assert url.bootstrap == "a.example.org:19092,127.0.0.1:9092,[2001:db8::1]:9,[::1]:9092"
    assert len(url.aiokafka()["bootstrap_servers"]) == 4


def test_a_user_is_never_sent_without_tls_unless_that_is_said() -> None:
    url = KafkaUrl.parse(f"kafka://us%40er:{ENCODED}@broker")
    assert (url.security, url.mechanism) == ("sasl_ssl", "SCRAM-SHA-512")
    assert url.librdkafka()["sasl.username"] == "us@er"
    assert url.aiokafka()["sasl_plain_password"] == url.librdkafka()["sasl.password"] == SECRET
    assert url.aiokafka()["ssl_context"].check_hostname
    said = KafkaUrl.parse("kafka://u:p@broker?security=sasl_plaintext&mechanism=PLAIN").aiokafka()
    assert (said["security_protocol"], said["sasl_mechanism"]) == ("SASL_PLAINTEXT", "PLAIN")


def test_naming_a_certificate_file_means_tls() -> None:
    url = KafkaUrl.parse("kafka://broker?ca=/etc/my%20ca.pem&cert=c.pem")
    assert url.security == "ssl"
    expected = {"ssl.ca.location": "/etc/my ca.pem", "ssl.certificate.location": "c.pem", "ssl.key.location": "c.pem"}
    assert url.librdkafka().items() >= expected.items()


def test_the_shown_url_has_no_password_and_means_the_same_otherwise() -> None:
    url = KafkaUrl.parse(f"kafka://us%40er:{ENCODED}@a,b:1?mechanism=PLAIN&replication=3&ca=/a%26b/ca.pem")
    shown = url.shown
    again = KafkaUrl.parse(shown)
    assert (again.user, again.bootstrap, again.security, again.mechanism) == ("us@er", "a:9092,b:1", "sasl_ssl", "PLAIN")
    assert (again.ca, again.replication, again.password) == ("/a&b/ca.pem", 3, "")
    for hidden in (SECRET, ENCODED):
        assert hidden not in shown
        assert hidden not in repr(url)


def test_how_many_copies_a_topic_gets_is_the_clusters_matter_unless_the_url_says_so() -> None:
    assert KafkaUrl.parse("kafka://broker").replication is None
    assert KafkaUrl.parse("kafka://broker?replication=3").replication == 3


FAULTS = [
    ("kafka://", "names no broker"),
    ("kafka:///", "names no broker"),
    ("kafka://a,,b", "names no broker"),
    ("kafka://:9092", "names no broker"),
    ("kafka://a:b:c", "names no broker"),
    ("kafka://a:", "names no broker"),
    ("kafka://a:0", "port"),
    ("kafka://a:65536", "port"),
    ("kafka://a:999999", "names no broker"),
    ("kafka://::1", "names no broker"),
    ("kafka://-a-", "names no broker"),
    ("kafka://ä", "names no broker"),
    ("kafka:a", "form"),
    ("kafkas://a", "form"),
    ("kafka://a/topic", "form"),
    ("kafka://a#x", "form"),
    ("kafka://a b", "space"),
    ("kafka://a\n", "control character"),
    ("kafka://a\0", "control character"),
    ("kafka://@a", "no user"),
    ("kafka://:pw@a", "no user"),
    ("kafka://%ff:pw@a", "UTF-8"),
    ("kafka://a?x", "option=value"),
    ("kafka://a?security", "option=value"),
    ("kafka://a?retries=1", "does not exist"),
    ("kafka://a?ca=", "empty"),
    ("kafka://a?ca=%00", "control character"),
    ("kafka://a?ca=%ff", "option=value"),
    ("kafka://a?ca=x&ca=y", "twice"),
    ("kafka://a?security=tls", "unknown security"),
    ("kafka://a?security=sasl_ssl", "needs a user"),
    ("kafka://u@a?security=ssl", "needs a user"),
    ("kafka://u@a?mechanism=GSSAPI", "unknown mechanism"),
    ("kafka://a?mechanism=PLAIN", "no user"),
    ("kafka://a?security=plaintext&ca=x", "without it"),
    ("kafka://a?key=x", "no cert"),
    ("kafka://a?replication=0", "replication"),
    ("kafka://a?replication=-1", "replication"),
    ("kafka://a?replication=many", "replication"),
]


@pytest.mark.parametrize(("url", "words"), FAULTS)
def test_a_fault_is_one_sentence_that_names_the_variable(url: str, words: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        KafkaUrl.parse(url)
    assert caught.value.detail.startswith("TESTAMUR_BUS ")
    assert words in caught.value.detail


def test_a_certificate_file_that_is_not_there_or_not_pem_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "not.pem").write_text("hello")
    for option in (f"ca={tmp_path}/none.pem", f"ca={tmp_path}/not.pem", f"cert={tmp_path}/not.pem"):
        with pytest.raises(Misconfigured, match="not there or not PEM"):
            KafkaUrl.parse(f"kafka://a?{option}").aiokafka()


@given(st.text())
def test_whatever_is_written_is_read_or_refused_with_a_sentence_that_does_not_repeat_it(text: str) -> None:
    try:
        url = KafkaUrl.parse(f"kafka://user:{text}@a,{text}?{text}")
    except Misconfigured as refused:
        assert len(text) < 8 or text not in refused.detail
    else:
        assert KafkaUrl.parse(url.shown).bootstrap == url.bootstrap
