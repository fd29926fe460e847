"""Records how each test of a framework ended: as a plugin of pytest's, and as a test runner of Django's.

A line a test in the file GREENROOM_OUTCOMES: outcome, id, and the last line of what went wrong, with tabs between.
"""

import os

_FILE = open(os.environ["GREENROOM_OUTCOMES"], "w", encoding="utf-8", buffering=1)


def record(outcome, test, why=""):
    words = why.split()
    _FILE.write("\t".join([outcome, " ".join(test.split()), " ".join(words)[-300:]]) + "\n")


def pytest_runtest_logreport(report):
    # Setting up and tearing down count where they do not pass; a skipped test is skipped while it is set up.
    if report.when == "call" or report.outcome != "passed":
        outcome = report.outcome if report.when == "call" else f"{report.outcome} in {report.when}"
        record(outcome, report.nodeid, "" if report.skipped else report.longreprtext)


def pytest_collectreport(report):
    if report.failed:
        record("not collected", report.nodeid, report.longreprtext)


if "DJANGO_SETTINGS_MODULE" in os.environ:
    from unittest import TextTestResult

    from django.test.runner import DiscoverRunner

    class Recorded(TextTestResult):
        def addSuccess(self, test):
            super().addSuccess(test)
            record("passed", test.id())

        def addSkip(self, test, reason):
            super().addSkip(test, reason)
            record("skipped", test.id())

        def addFailure(self, test, err):
            super().addFailure(test, err)
            record("failed", test.id(), str(err[1]))

        def addError(self, test, err):
            super().addError(test, err)
            record("error", test.id(), str(err[1]))

        def addSubTest(self, test, subtest, err):
            super().addSubTest(test, subtest, err)
            if err is not None:
                record("failed in part", subtest.id(), str(err[1]))

        def addExpectedFailure(self, test, err):
            super().addExpectedFailure(test, err)
            record("expected failure", test.id())

        def addUnexpectedSuccess(self, test):
            super().addUnexpectedSuccess(test)
            record("unexpected success", test.id())

    class Runner(DiscoverRunner):
        def get_resultclass(self):
            return Recorded
