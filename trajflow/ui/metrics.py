"""What the app counts, for Prometheus: fed where the desk's work ends, the rest is read when it is asked for."""

from trajflow.ui.account import Ended
from trajflow.ui.registry import Registry

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """The counts of one app. Every method may be called from any thread."""

    def __init__(self, registry: Registry) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = registry
        self._collected = own = CollectorRegistry()
        self._runs = Counter("trajflow_runs", "Pictures made, by what was planned.", ["planned"], registry=own)
        self._jobs = Counter("trajflow_jobs", "Jobs that are over, by their outcome.", ["outcome"], registry=own)
        self._spent = Counter(
            "trajflow_evaluations_spent",
            "Network evaluations: waited for, in the background, of pictures never finished.",
            ["kind"],
            registry=own,
        )
        self._saved = Counter("trajflow_evaluations_saved", "Evaluations that from scratch would take.", registry=own)
        self._phases = Histogram(
            "trajflow_phase_seconds", "Seconds by phase of a run.", ["phase"], buckets=SECONDS, registry=own
        )
        self._errors = Counter("trajflow_errors", "Jobs that failed or were refused, by kind.", ["kind"], registry=own)
        self._waiting = Gauge("trajflow_people_waiting", "People who wait for their turn.", registry=own)
        self._sessions = Gauge("trajflow_sessions", "Sessions held.", registry=own)
        self._bytes = Gauge("trajflow_cache_bytes", "Bytes of trajectories held, by place.", ["place"], registry=own)

    def ended(self, ended: Ended) -> None:
        """A job is over."""
        self._jobs.labels(ended.outcome).inc()
        if ended.error:
            self._errors.labels(ended.error).inc()
        if ended.outcome != "refused":
            self._phases.labels("wait").observe(ended.waited)
        self._spent.labels("abandoned").inc(ended.abandoned)
        for made in ended.made:
            self._runs.labels(made.planned).inc()
            self._spent.labels("waited").inc(made.spent)
            self._spent.labels("background").inc(made.background)
            self._saved.inc(made.saved)
            for phase, seconds in made.seconds.items():
                self._phases.labels(phase).observe(seconds)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        from prometheus_client import generate_latest

        self._waiting.set(self._registry.desk.people_waiting)
        self._sessions.set(len(self._registry))
        self._bytes.clear()
        for place, nbytes in self._registry.nbytes_by_place().items():
            self._bytes.labels(place).set(nbytes)
        return generate_latest(self._collected)
