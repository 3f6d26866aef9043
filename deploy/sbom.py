"""The software bill of materials of an installation, as CycloneDX 1.6 JSON on standard output.

    requirements-service.lock (versions, hashes), metadata of what is installed (licences)  ->  Bom

`make sbom`, and the image's build. Everything is read from this machine. It fails where the
installation is not what the lock file says.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import NamedTuple

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseAcknowledgement
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "token-discovery"
PINNED = re.compile(r"^([a-z0-9-]+)==([^ ;\\]+)( ;)?", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class Locked(NamedTuple):
    """One package of the lock file."""

    name: str
    version: str
    is_conditional: bool  # wanted on some machines only
    hashes: tuple[str, ...]  # SHA-256, of each file that may be installed


def read_lock(text: str) -> Iterator[Locked]:
    """The packages of a lock file in the requirements format."""
    found = list(PINNED.finditer(text))
    ends = [each.start() for each in found[1:]] + [len(text)]
    for entry, end in zip(found, ends, strict=True):
        hashes = tuple(HASH.findall(text, entry.end(), end))
        yield Locked(entry[1], entry[2], bool(entry[3]), hashes)


def normalize_name(name: str) -> str:
    """A package's name as lock files write it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find_installed(directories: Sequence[str]) -> dict[str, Distribution]:
    """What is installed in the directories, by its normalized name."""
    found = distributions(path=list(directories))
    return {normalize_name(each.metadata["Name"]): each for each in found}


def read_licence(installed: Distribution) -> str:
    """What the package says of its licence: an SPDX expression, or a name in its own words.

    Source: core metadata, `License-Expression`; before version 2.4 `License`, where some put the
    licence's whole text, and the classifiers.
    """
    metadata = installed.metadata.json
    told = str(metadata.get("license_expression") or metadata.get("license") or "")
    classifiers = metadata.get("classifier", [])
    named = [one.split(" :: ")[-1] for one in classifiers if one.startswith("License :: OSI")]
    return told if told and "\n" not in told else " OR ".join(named) or "unknown"


def build_bom(locked: Sequence[Locked], installed: dict[str, Distribution]) -> Bom:
    """`ValueError` where another version is installed than the lock file wants, or none."""
    bom = Bom()
    root = make_component(PROJECT, installed[PROJECT], ComponentType.APPLICATION, ())
    bom.metadata.component = root
    components = {PROJECT: root}
    for entry in locked:
        found = installed.get(entry.name)
        if found is None and entry.is_conditional:
            continue
        if found is None or found.version != entry.version:
            here = "missing" if found is None else found.version
            raise ValueError(f"{entry.name}: {entry.version} is locked, here it is {here}")
        component = make_component(entry.name, found, ComponentType.LIBRARY, entry.hashes)
        components[entry.name] = component
        bom.components.add(component)
    for name, component in components.items():
        wanted = list_requirements(installed[name])
        bom.register_dependency(component, [components[one] for one in wanted if one in components])
    return bom


def make_component(
    name: str, installed: Distribution, kind: ComponentType, hashes: Sequence[str]
) -> Component:
    """A package with its licence, and the hash of each file that it may be installed from."""
    licence = LicenseFactory().make_from_string(
        read_licence(installed), license_acknowledgement=LicenseAcknowledgement.DECLARED
    )
    url = PackageURL("pypi", None, name, installed.version)
    return Component(
        name=name,
        version=installed.version,
        type=kind,
        bom_ref=str(url),
        purl=url,
        description=str(installed.metadata.json["summary"]),
        licenses=[licence],
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(f"{url}?checksum=sha256:{each}"),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each)],
            )
            for each in hashes
        ],
    )


def list_requirements(installed: Distribution) -> list[str]:
    """What the package asks for, those of its extras aside."""
    asked = [one for one in installed.requires or () if "extra ==" not in one]
    names = [re.split(r"[^A-Za-z0-9._-]", one, maxsplit=1)[0] for one in asked]
    return sorted({normalize_name(name) for name in names})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--site-packages",
        action="append",
        metavar="DIR",
        help="where the installation lies; by default that of this Python",
    )
    arguments = parser.parse_args()
    lock = (ROOT / "requirements-service.lock").read_text(encoding="utf-8")
    try:
        bom = build_bom(
            list(read_lock(lock)), find_installed(arguments.site_packages or sys.path[1:])
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
