"""An outcome as JUnit XML: a test for each kind of finding."""

from __future__ import annotations

from xml.etree import ElementTree

from rlsguard.check.kinds import KINDS
from rlsguard.check.model import Outcome
from rlsguard.check.report.difference import difference
from rlsguard.xmltext import clean


def junit(outcome: Outcome) -> str:
    """Return one test suite; a kind of which nothing was found is a test that passed."""
    failures = len(outcome.findings)
    found = {finding.kind.id for finding in outcome.findings}
    root = ElementTree.Element("testsuites", name="rlsguard check", time=f"{outcome.seconds:.3f}")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=clean(outcome.database),
        tests=str(failures + len(KINDS.keys() - found)),
        failures=str(failures),
        time=f"{outcome.seconds:.3f}",
        timestamp=outcome.started_at.isoformat(),
    )
    for kind in KINDS.values():
        if kind.id not in found:
            ElementTree.SubElement(suite, "testcase", classname=kind.id, name=kind.title)
    for finding in outcome.findings:
        case = ElementTree.SubElement(suite, "testcase", classname=finding.kind.id, name=clean(finding.about))
        failure = ElementTree.SubElement(case, "failure", type=finding.kind.severity, message=clean(finding.why))
        failure.text = clean("\n".join((finding.why, *difference(finding), finding.mend)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
