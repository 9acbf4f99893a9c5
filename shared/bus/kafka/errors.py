"""What went wrong with Kafka, as a sentence that says the next action and never shows a password.

Everything is `BusUnavailable` and is tried again, for a user may be granted, a broker may come back; a record that is larger
than its topic takes is not, since it stays so.
"""

from __future__ import annotations

import ssl

from aiokafka import errors as kafka

from shared.bus.port import BusUnavailable
from shared.errors import TestamurError, TooLarge


class RecordTooLarge(TooLarge):
    """A record is larger than the broker takes on this topic."""

    title = "A record is larger than its topic takes."


NO_CONNECTION = (kafka.KafkaConnectionError, kafka.NodeNotReadyError, kafka.CorrelationIdError, OSError, TimeoutError)
"""What says that the connection is at fault, not the request. `TimeoutError` is one that we or asyncio set."""

FAILURES = (kafka.KafkaError, OSError, TimeoutError)
"""Whatever a call of the library fails with when Kafka is the cause."""

_UNLED = (
    kafka.LeaderNotAvailableError,
    kafka.NotLeaderForPartitionError,
    kafka.GroupCoordinatorNotAvailableError,
    kafka.NotCoordinatorForGroupError,
    kafka.GroupLoadInProgressError,
)

_LISTENER = "security= and mechanism= in TESTAMUR_BUS must be what this listener expects"

_SENTENCES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (
        (kafka.SaslAuthenticationFailed, kafka.AuthenticationFailedError),
        "Kafka at {where} does not accept this user and password. Correct them in TESTAMUR_BUS.",
    ),
    (
        (kafka.UnsupportedSaslMechanismError, kafka.IllegalSaslStateError, kafka.AuthenticationMethodNotSupported),
        "Kafka at {where} does not take a user in this way: " + _LISTENER + ".",
    ),
    (
        ssl.SSLCertVerificationError,
        "Kafka at {where} shows a certificate that is not trusted here or is for another name. Set ca=FILE in TESTAMUR_BUS.",
    ),
    (ssl.SSLError, "Kafka at {where} does not speak TLS as it was asked to: " + _LISTENER + "."),
    (
        (kafka.RequestTimedOutError, kafka.KafkaTimeoutError, TimeoutError),
        "Kafka at {where} does not answer in time. Look at the brokers' health; it is tried again.",
    ),
    (
        (kafka.TopicAuthorizationFailedError, kafka.ClusterAuthorizationFailedError),
        "Kafka at {where} does not let this user use a topic. Grant it with `testamur topics apply`.",
    ),
    (
        kafka.GroupAuthorizationFailedError,
        "Kafka at {where} does not let this user keep its place in a topic. Grant its group with `testamur topics apply`.",
    ),
    (
        (kafka.NotEnoughReplicasError, kafka.NotEnoughReplicasAfterAppendError),
        "Kafka at {where} has too few copies of a topic in step to be safe. Bring the missing brokers back.",
    ),
    (
        _UNLED,
        "Kafka at {where} has no broker that leads a topic at present. Bring the missing brokers back.",
    ),
    (
        kafka.UnsupportedCodecError,
        "Kafka at {where} holds records that are compressed in a way that cannot be read here. Install aiokafka[all].",
    ),
    (
        kafka.CorruptRecordException,
        "Kafka at {where} handed out records whose checksum is wrong. Look at the broker's disk; it is tried again.",
    ),
    (
        (kafka.KafkaConnectionError, kafka.NodeNotReadyError, ConnectionResetError, BrokenPipeError),
        "Kafka at {where} ended the connection. If that goes on, " + _LISTENER + ".",
    ),
    (OSError, "No broker answers at {where}. Start it, or correct the address in TESTAMUR_BUS; it is tried again."),
)


def sentence(error: BaseException, where: str) -> TestamurError:
    """The error to raise for one of the library's; `where` are the brokers' addresses."""
    if isinstance(error, kafka.MessageSizeTooLargeError | kafka.RecordListTooLargeError):
        return RecordTooLarge("Kafka refused a record for its size. Set max.message.bytes with `testamur topics apply`.")
    for kinds, text in _SENTENCES:
        if isinstance(error, kinds):
            return BusUnavailable(text.format(where=where))
    name = type(error).__name__
    return BusUnavailable(f"Kafka at {where} does not do what it was asked to ({name}). Look at the brokers' log.")


def more_telling(errors: list[BaseException]) -> BaseException:
    """Of what several brokers said, what explains most: a refusal before a silence."""
    silences = (ConnectionError, TimeoutError, kafka.KafkaConnectionError)
    return next((error for error in errors if not isinstance(error, silences)), errors[0])
