"""The catalogue and the streams as an AsyncAPI 3.0 document, for those who write a node in another language.

- A channel is a stream; its address is the topic, with the node as parameter (AsyncAPI 3.0.0, "Channel Object").
- A message is a kind of event: its payload schema is the event class, its headers are those of the bus record.
- Each stream has two operations: its one writer sends, a reader receives ("Operation Object").
- The headers `ce_*` are CloudEvents 1.0 in the Kafka binding's binary mode (3.2); `jws` is the detached signature (RFC 7515,
  appendix F), whose protected header is the `Envelope`.

Pure: the same catalogue gives the same document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from shared.events.base import CATALOGUE, STREAMS, Event, Stream
from shared.events.entry import Envelope
from shared.ids import NODE_NAME, topic_name

Schema = dict[str, Any]
"""A JSON Schema, or a part of an AsyncAPI document."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
"""The JSON Schema in which an event's payload is described when it stands alone."""

_SHARED_HEADERS: Final = "EntryHeaders"
_BASE64URL: Final = "[A-Za-z0-9_-]"

_INTRODUCTION: Final = """\
What the nodes of a Testamur federation tell each other. Every event is one JWS: its protected header is the envelope, its
payload the exact bytes of the record's value. A reader joins the `jws` header and the value, verifies the three-part JWS by
the key that the origin's root certified, and compares the `ce_*` headers with what is signed. Members that a reader does
not know are ignored and stay in the signed bytes."""


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that only repeat a member's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the signature that is overridden
        """No member gets a title made out of its name."""
        return False


def payload_schema(event: type[Event]) -> Schema:
    """The JSON Schema (2020-12) of one kind's payload, standing alone."""
    return {
        "$schema": DIALECT,
        "$id": f"urn:testamur:event:{event.kind}",
        **event.model_json_schema(schema_generator=_Untitled),
    }


def render(version: str, examples: Mapping[str, Any] | None = None) -> Schema:
    """The AsyncAPI 3.0 document of this software at `version`; `examples` are payloads by kind, shown with their message."""
    events = [CATALOGUE[kind] for kind in sorted(CATALOGUE)]
    shown = examples or {}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Testamur events",
            "version": version,
            "description": _INTRODUCTION,
            "license": {"name": "EUPL-1.2", "url": "https://spdx.org/licenses/EUPL-1.2.html"},
        },
        "defaultContentType": "application/json",
        "channels": {stream.name: _channel(stream, _of(stream, events)) for stream in STREAMS.values()},
        "operations": {name: operation for stream in STREAMS.values() for name, operation in _operations(stream)},
        "components": {
            "messages": {event.kind: _message(event, shown.get(event.kind)) for event in events},
            "schemas": {**_schemas(events), _SHARED_HEADERS: _entry_headers()},
        },
    }


def headers_schema(event: type[Event]) -> Schema:
    """The schema of a record's headers for one kind, standing alone: text values by header name."""
    schema = _entry_headers()
    schema["properties"] |= _own_headers(event)
    return schema


def _of(stream: Stream, events: Iterable[type[Event]]) -> list[type[Event]]:
    return [event for event in events if event.stream == stream]


def _channel(stream: Stream, events: Iterable[type[Event]]) -> Schema:
    chained = "one chain of entries, gap-free from 1" if stream.chained else "self-contained entries, each outside any chain"
    readers = "every member of the federation" if stream.public else "the services of its own node"
    return {
        "address": topic_name("{node}", stream.name),
        "title": stream.name.capitalize(),
        "description": f"Written by the {stream.writer} of a node, read by {readers}: {chained}.",
        "parameters": {
            "node": {"description": f"The node's name in the federation list: {NODE_NAME}", "examples": ["ee", "be-fr"]}
        },
        "messages": {event.kind: {"$ref": f"#/components/messages/{event.kind}"} for event in events},
        "tags": [{"name": "public" if stream.public else "internal"}],
        "bindings": {"kafka": _topic(stream)},
    }


def _topic(stream: Stream) -> Schema:
    """One partition, since a chain has one order; what stands outside a chain may be compacted."""
    policy = "delete" if stream.chained else "compact"
    return {"partitions": 1, "topicConfiguration": {"cleanup.policy": [policy]}, "bindingVersion": "0.5.0"}


def _operations(stream: Stream) -> list[tuple[str, Schema]]:
    channel = {"$ref": f"#/channels/{stream.name}"}
    reader = "Another node" if stream.public else "Another service of the node"
    writes = {"action": "send", "channel": channel, "title": f"The {stream.writer} writes {stream.name}"}
    reads = {"action": "receive", "channel": channel, "title": f"{reader} reads {stream.name}"}
    return [(f"send-{stream.name}", writes), (f"receive-{stream.name}", reads)]


def _message(event: type[Event], example: Any) -> Schema:
    said = (event.__doc__ or "").strip()
    effect = "reduces-trust" if event.reduces_trust else "waits-for-its-place"
    message = {
        "name": event.kind,
        "title": event.__name__,
        "summary": said,
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "allOf": [{"$ref": f"#/components/schemas/{_SHARED_HEADERS}"}],
            "properties": _own_headers(event),
        },
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "tags": [{"name": effect}],
    }
    return message if example is None else {**message, "examples": [{"name": event.kind, "payload": example}]}


def _own_headers(event: type[Event]) -> Schema:
    source = rf"^urn:testamur:[^:]+:{NODE_NAME}:{event.stream.writer}$"
    return {"ce_type": {"type": "string", "const": event.kind}, "ce_source": {"type": "string", "pattern": source}}


def _entry_headers() -> Schema:
    """The headers that every entry carries on the bus; of these only `jws` is believed."""
    text = {"type": "string", "minLength": 1, "maxLength": 200}
    described: Schema = {
        "jws": {
            "type": "string",
            "pattern": rf"^{_BASE64URL}+\.\.{_BASE64URL}+$",
            "description": "The detached JWS: protected header, nothing, signature.",
            "x-protected-header": {"$ref": f"#/components/schemas/{Envelope.__name__}"},
        },
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {**text, "description": "The signed `jti`."},
        "ce_source": {**text, "description": "The service that wrote it: `urn:testamur:<federation>:<node>:<service>`."},
        "ce_type": {**text, "description": "The signed `knd`."},
        "ce_subject": {**text, "description": "The signed `sub`."},
        "ce_time": {"type": "string", "format": "date-time", "description": "The signed `iat`."},
        "ce_sequence": {"type": "string", "pattern": r"^\d{20}$", "description": "The signed `seq`, in 20 digits."},
        "content-type": {"type": "string", "const": "application/json"},
    }
    trace = {"traceparent": {"type": "string", "description": "W3C Trace Context; unsigned, and never believed."}}
    return {"type": "object", "required": list(described), "properties": described | trace}


def _schemas(events: Iterable[type[Event]]) -> Schema:
    models: list[type[BaseModel]] = [*events, Envelope]
    wanted: list[tuple[type[BaseModel], Literal["validation"]]] = [(model, "validation") for model in models]
    _, document = models_json_schema(wanted, ref_template="#/components/schemas/{model}", schema_generator=_Untitled)
    return {name: document["$defs"][name] for name in sorted(document["$defs"])}
