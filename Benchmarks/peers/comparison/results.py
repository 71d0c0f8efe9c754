"""What all rounds gave, and the medians of it."""

import statistics

from .scenarios import Job, Scenario
from .systems import figures


class Results:
    def __init__(self):
        self.runs = []
        """Pairs of a job and what it gave, in the order in which they were measured."""
        self.failures = []
        """Pairs of a job and why it gave nothing."""
        self._figures = {}

    def add(self, job: Job, run: dict) -> None:
        self.runs.append((job, run))
        for name, value in figures(job, run).items():
            self._figures.setdefault((job, name), []).append(value)

    def add_failure(self, job: Job, reason: str) -> None:
        self.failures.append((job, reason))

    def median(self, scenario: Scenario, system: str, name: str):
        """None where no run gave this figure, or one of the runs failed."""
        job = Job(scenario, system)
        if self.has_failed(job):
            return None
        values = self._figures.get((job, name))
        return statistics.median(values) if values else None

    def has_failed(self, job: Job) -> bool:
        return any(failed == job for failed, _ in self.failures)

    def systems(self, scenario: Scenario) -> list:
        """In the order of their first run, with those that failed."""
        jobs = [job for job, _ in self.runs] + [job for job, _ in self.failures]
        return list(dict.fromkeys(job.system for job in jobs if job.scenario == scenario))

    def scenarios(self) -> list:
        jobs = [job for job, _ in self.runs] + [job for job, _ in self.failures]
        return list(dict.fromkeys(job.scenario for job in jobs))
