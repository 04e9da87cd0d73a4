"""JUnit's XML: one test suite per file, one failed test case per finding."""

from __future__ import annotations

from itertools import groupby
from xml.etree import ElementTree

from modscope.findings import Finding, Report
from modscope.reports._terminal import place
from modscope.text import visible


def render(report: Report) -> str:
    """A report without findings has one case that passed: tools take an empty report for a broken run."""
    root = ElementTree.Element("testsuites", name="modscope", tests=str(len(report) or 1), failures=str(len(report)))
    for name, found in groupby(report, key=_home):
        _suite(root, name, list(found))
    if not report:
        suite = ElementTree.SubElement(root, "testsuite", name="modscope", tests="1", failures="0", errors="0")
        ElementTree.SubElement(suite, "testcase", name="no findings", classname="modscope")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def _home(finding: Finding) -> str:
    return visible(finding.location.file if finding.location else finding.path or "(root)")


def _suite(root: ElementTree.Element, name: str, found: list[Finding]) -> None:
    count = str(len(found))
    suite = ElementTree.SubElement(root, "testsuite", name=name, tests=count, failures=count, errors="0")
    for finding in found:
        case = ElementTree.SubElement(suite, "testcase", name=visible(finding.rule), classname=name)
        if finding.location is not None:
            case.attrib |= {"file": name, "line": str(finding.location.line), "column": str(finding.location.column)}
        message = visible(finding.message)
        failure = ElementTree.SubElement(case, "failure", type=finding.severity, message=message)
        failure.text = f"{place(finding)}: {visible(finding.rule)} {message}"
