"""What the image holds, as a software bill of materials: one CycloneDX 1.6 document in JSON (`make sbom`).

    python deploy/sbom.py build/sbom.json

- Everything comes from `production.lock`: names, versions, hashes, and which package needs which. No network is asked.
- What the lock holds for other systems only is left out: the markers are read for the Python of the Dockerfile, on Linux.
- A package has every hash that the lock permits, one for each published file; the installed file has one of them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement

from testamur import __version__

FOLDER = Path(__file__).parent
PRODUCT = "testamur"
"""By this name the lock says that the product itself needs a package."""

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NEEDED_BY = re.compile(r"^    # (?:via |  )([a-z0-9][a-z0-9.-]*)", re.MULTILINE)


class Locked(NamedTuple):
    """One package of the lock: its requirement (`name==version ; marker`), its hashes, and what needs it."""

    requirement: Requirement
    hashes: list[str]
    needed_by: frozenset[str]

    @property
    def name(self) -> str:
        """The package's name, as the lock writes it."""
        return self.requirement.name

    @property
    def version(self) -> str:
        """The one version that the lock permits."""
        return str(self.requirement.specifier).removeprefix("==")


def locked(text: str) -> list[Locked]:
    """All packages of a lock."""
    found = []
    for block in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]:
        requirement = Requirement(block.partition("\\")[0])
        found.append(Locked(requirement, _HASH.findall(block), frozenset(_NEEDED_BY.findall(block))))
    return found


def of_image(packages: list[Locked], dockerfile: str) -> list[Locked]:
    """Those that are installed in the image that the Dockerfile builds."""
    (version,) = set(re.findall(r"^FROM python:([0-9]+\.[0-9]+)", dockerfile, re.MULTILINE))
    image = {
        "python_version": version,
        "python_full_version": f"{version}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }
    return [one for one in packages if one.requirement.marker is None or one.requirement.marker.evaluate(image)]


def bill(packages: list[Locked]) -> Bom:
    """The document: the product, its packages, and which of them needs which."""
    product = Component(
        name=PRODUCT,
        version=__version__,
        type=ComponentType.APPLICATION,
        bom_ref=PRODUCT,
        licenses=[LicenseExpression("EUPL-1.2")],
    )
    bom = Bom(components=[_component(one) for one in packages])
    bom.metadata.component = product
    by_name = {PRODUCT: product, **{component.name: component for component in bom.components}}
    for name, component in by_name.items():
        bom.register_dependency(component, [by_name[one.name] for one in packages if name in one.needed_by])
    return bom


def _component(package: Locked) -> Component:
    purl = PackageURL(type="pypi", name=package.name, version=package.version)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=content) for content in package.hashes],
    )


def main(path: Path) -> None:
    """Write the document."""
    packages = of_image(locked((FOLDER / "production.lock").read_text()), (FOLDER / "Dockerfile").read_text())
    document = make_outputter(bill(packages), OutputFormat.JSON, SchemaVersion.V1_6)
    document.output_to_file(str(path), allow_overwrite=True, indent=2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
