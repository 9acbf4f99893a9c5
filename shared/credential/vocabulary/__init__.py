"""The controlled lists a credential is written in: each is a data file beside this one that names its source and version.

Rules
- Countries are ISO 3166-1 alpha-2, languages ISO 639-1, fields ISCED-F 2013; the EU's own codes are mapped to those.
- A national level is found by its URI, by its code where the country has one framework, or by its framework's prefix and its
  code (`RQF 6`). Two frameworks with the same code are ambiguous, and the answer is None: nothing is guessed.
- A level whose mapping nobody confirmed keeps its EQF level out of sight (`NationalLevel.eqf` is None).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import orjson

EQF_BASE = "http://data.europa.eu/snb/eqf/"
"""An EQF level's URI is this and its number, 1 to 8 (EU Vocabularies, scheme eqf/25831c2)."""

ISCED_BASE = "http://data.europa.eu/snb/isced-f/"
"""A field of education's URI is this and its ISCED-F 2013 code of two, three or four digits."""

ConceptList = Literal["assessment", "mode", "quality_assurance", "credit", "supervision"]
"""The controlled lists of concepts that `concept` reads."""


class Concept(NamedTuple):
    """One entry of a controlled list: its URI and its English label."""

    uri: str
    label: str


class NationalLevel(NamedTuple):
    """One level of a national framework. `eqf` is None when it is below EQF 1, not referenced, or not confirmed."""

    jurisdiction: str
    framework: str
    code: str
    uri: str
    eqf: int | None

    @property
    def country(self) -> str:
        """ISO 3166-1 alpha-2 of the jurisdiction: `GB` for `GB-SCT`."""
        return self.jurisdiction[:2]


def _read(name: str) -> Any:
    return orjson.loads(files(__name__).joinpath(name).read_bytes())


def _by_code(name: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """A file of `code: [EU code, label]` as labels by code and codes by EU code."""
    items = _read(name)["items"]
    return MappingProxyType({code: row[1] for code, row in items.items()}), MappingProxyType(
        {row[0]: code for code, row in items.items()}
    )


COUNTRIES, _COUNTRY_BY_EU = _by_code("countries.json")
"""Countries by their code of ISO 3166-1 alpha-2, and XK, which the EU lists."""
LANGUAGES, _LANGUAGE_BY_EU = _by_code("languages.json")
_EU_BY_COUNTRY = {code: eu for eu, code in _COUNTRY_BY_EU.items()}
_EU_BY_LANGUAGE = {code: eu for eu, code in _LANGUAGE_BY_EU.items()}
AUTHORITY = "http://publications.europa.eu/resource/authority"
"""The folder of the EU's own lists of countries, languages and file types."""
ISCED_FIELDS: Mapping[str, str] = MappingProxyType(_read("isced_f.json")["items"])
"""Broad, narrow and detailed fields of ISCED-F 2013 by their code."""


def language_exists(code: str) -> bool:
    """Whether `code` is an ISO 639-1 language."""
    return code in LANGUAGES


def country_of_authority(uri: str) -> str | None:
    """The alpha-2 country of an EU authority URI (`.../authority/country/EST`), or None."""
    return _COUNTRY_BY_EU.get(uri.rpartition("/authority/country/")[2])


def language_of_authority(uri: str) -> str | None:
    """The ISO 639-1 language of an EU authority URI (`.../authority/language/ENG`), or None."""
    return _LANGUAGE_BY_EU.get(uri.rpartition("/authority/language/")[2])


def authority_of_country(code: str) -> str:
    """The EU authority URI of an alpha-2 country; raises KeyError for one that does not exist."""
    return f"{AUTHORITY}/country/{_EU_BY_COUNTRY[code]}"


def authority_of_language(code: str) -> str:
    """The EU authority URI of an ISO 639-1 language; raises KeyError for one that does not exist."""
    return f"{AUTHORITY}/language/{_EU_BY_LANGUAGE[code]}"


@cache
def _concepts() -> Mapping[str, Mapping[str, Concept]]:
    """Each list by every word for its concepts: URI, code, label and other words, the words in lower case."""
    lists: dict[str, dict[str, Concept]] = {}
    for name, body in _read("concepts.json")["lists"].items():
        folder = body["scheme"].rpartition("/")[0]
        words = lists.setdefault(name, {})
        for code, label, *others in body["concepts"]:
            found = Concept(f"{folder}/{code}", label)
            words |= dict.fromkeys((found.uri, code, label.lower(), *others), found)
    return lists


def concept(name: ConceptList, word: str) -> Concept | None:
    """The concept of a list by its URI, code, English label or another word for it (`onsite`); None when there is none."""
    words = _concepts()[name]
    return words.get(word) or words.get(word.strip().lower())


def labels(name: ConceptList) -> tuple[str, ...]:
    """The English labels of a list, for a hint."""
    return tuple(dict.fromkeys(found.label for found in _concepts()[name].values()))


@cache
def _levels() -> tuple[Mapping[str, NationalLevel], Mapping[str, Mapping[str, NationalLevel | None]]]:
    """Levels by URI, and by country and word; a word that two frameworks of one country share means None."""
    data = _read("frameworks.json")
    by_uri: dict[str, NationalLevel] = {}
    by_word: dict[str, dict[str, NationalLevel | None]] = {}
    for framework in data["items"]:
        for code, eqf, key, confirmed in framework["levels"]:
            level = NationalLevel(
                framework["jurisdiction"], framework["name"], code, data["base"] + key, eqf if confirmed else None
            )
            by_uri[level.uri] = level
            for place in {level.jurisdiction, level.country}:
                words = by_word.setdefault(place, {})
                for word in (code, f"{framework['prefix']} {code}", f"{framework['prefix']} Level {code}"):
                    words[word.lower()] = level if words.get(word.lower(), level) == level else None
    return by_uri, by_word


def national_level_of_uri(uri: str) -> NationalLevel | None:
    """The level that an EU Vocabularies URI names, whichever country it belongs to, or None."""
    return _levels()[0].get(uri)


def national_level(country: str, code: str) -> NationalLevel | None:
    """A country's level by URI, code (`6`) or prefix and code (`RQF 6`); None when unknown, ambiguous or another country's.

    `country` is alpha-2, or a jurisdiction such as `GB-SCT` where one country has several frameworks.
    """
    by_uri, by_word = _levels()
    found = by_uri.get(code)
    if found is not None:
        return found if country in {found.country, found.jurisdiction} else None
    return by_word.get(country, {}).get(code.strip().lower())


def national_levels_of(country: str, eqf: int) -> tuple[NationalLevel, ...]:
    """A country's or jurisdiction's levels that are confirmed to be that EQF level; several where frameworks are several."""
    listed = (level for level in _levels()[0].values() if country in {level.country, level.jurisdiction})
    return tuple(level for level in listed if level.eqf == eqf)


def has_framework(country: str) -> bool:
    """Whether any national framework of this country is listed here."""
    return country in _levels()[1]
