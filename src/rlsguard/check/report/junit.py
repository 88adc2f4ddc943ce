"""An outcome as JUnit XML: a test for each kind of finding."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

from rlsguard.check.kinds import KINDS
from rlsguard.check.model import Kind, Reported
from rlsguard.check.report.difference import difference
from rlsguard.xmltext import clean


def junit(outcome: Reported, kinds: Mapping[str, Kind] = KINDS, command: str = "check") -> str:
    """Return one test suite; each of *kinds* of which nothing was found is a test that passed."""
    failures = len(outcome.findings)
    found = {finding.kind.id for finding in outcome.findings}
    root = ElementTree.Element("testsuites", name=f"rlsguard {command}", time=f"{outcome.seconds:.3f}")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=clean(outcome.database),
        tests=str(failures + len(kinds.keys() - found)),
        failures=str(failures),
        time=f"{outcome.seconds:.3f}",
        timestamp=outcome.started_at.isoformat(),
    )
    for kind in kinds.values():
        if kind.id not in found:
            ElementTree.SubElement(suite, "testcase", classname=kind.id, name=kind.title)
    for finding in outcome.findings:
        case = ElementTree.SubElement(suite, "testcase", classname=finding.kind.id, name=clean(finding.about))
        failure = ElementTree.SubElement(case, "failure", type=finding.kind.severity, message=clean(finding.why))
        failure.text = clean("\n".join((finding.why, *difference(finding), finding.mend)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
