"""The parent's side of every benchmark: workers in processes of their own, interleaved rounds, medians, ratios, one table.

Absolute times drift by a third on a shared machine, so nothing is compared across runs: within one run the workers take turns,
round by round, on one pinned core, and what is read off is the ratio of medians.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from serve import MARK

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

#: One thread for everybody, whatever library the worker uses.
ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_ENABLE_X64": "1",
    "JAX_PLATFORMS": "cpu",
}


class WorkerFailed(RuntimeError):
    """A worker ended or answered nonsense; the message carries the end of what it wrote to standard error."""


def peers_python() -> str | None:
    """The interpreter of the peers' environment: ``$SCIAD_PEERS_PYTHON``, else ``.venv-peers/bin/python``, else None."""
    wanted = os.environ.get("SCIAD_PEERS_PYTHON") or str(ROOT / ".venv-peers" / "bin" / "python")
    return wanted if shutil.which(wanted) else None


def enzyme_python() -> str | None:
    """Enzyme's own interpreter (another JAX): ``$SCIAD_ENZYME_PYTHON``, else ``.venv-enzyme/bin/python``, else None."""
    wanted = os.environ.get("SCIAD_ENZYME_PYTHON") or str(ROOT / ".venv-enzyme" / "bin" / "python")
    return wanted if shutil.which(wanted) else None


def _pinned(command: Sequence[str]) -> list[str]:
    """`command` on the last core that this process may use; unchanged where there is no taskset.

    XLA's own thread then shares the core with Python's; measured on the spiral, that is faster for it than two cores.
    """
    if shutil.which("taskset") is None or not hasattr(os, "sched_getaffinity"):
        return list(command)
    return ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command]


def _environment(extra: dict[str, str]) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(HERE), str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": path, **extra}


class Worker:
    """One process that has one piece of work ready; use as a context manager."""

    def __init__(self, name: str, script: str, *arguments: str, python: str = sys.executable, env: dict[str, str] | None = None,
                 pin: bool = True) -> None:  # fmt: skip
        self.name, self.seconds = name, list[float]()
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in `close`; a pipe that nobody reads would fill up and block
        command = [python, str(HERE / script), *arguments]
        self._begin = time.perf_counter()
        self._process = subprocess.Popen(
            _pinned(command) if pin else command,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=_environment(env or {}),
        )  # fmt: skip

    def read(self, within: float | None = None) -> dict:
        """The next answer; WorkerFailed where the process ended instead, or did not answer `within` so many seconds and was ended."""
        assert self._process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(within or 0.0, end)
        if within is not None:
            timer.start()
        try:
            for line in self._process.stdout:
                if line.startswith(MARK):
                    return json.loads(line[len(MARK) :])
        finally:
            timer.cancel()
        if late.is_set():
            raise WorkerFailed(f"{self.name}: not within {within:.0f} s")
        self._errors.seek(0)
        raise WorkerFailed(f"{self.name}: {self._errors.read()[-2000:].strip()}")

    def ask(self, command: str, within: float | None = None) -> dict:
        """Send one command and return the answer; `within` as for `read`."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self.read(within)

    def seconds_to_first_answer(self) -> float:
        """Wall time from the start of the process to its first answer."""
        self.read()
        return time.perf_counter() - self._begin

    @property
    def median(self) -> float:
        """Median seconds of an iteration over all rounds."""
        return statistics.median(self.seconds)

    def kill(self) -> None:
        """End the process at once; who waits for its answer gets WorkerFailed."""
        self._process.kill()

    def close(self) -> None:
        """Tell the process to end, and end it if it does not."""
        try:
            self._process.communicate("quit\n", timeout=10)
        except (subprocess.TimeoutExpired, BrokenPipeError, ValueError):
            self._process.kill()
            self._process.wait()
        finally:
            self._errors.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def start(workers: Sequence[Worker], limit: float | None = None) -> list[Worker]:
    """The workers that came up, within `limit` seconds each if given; the others are closed and their reason is printed."""
    ready = []
    for worker in workers:
        alarm = threading.Timer(limit or 0.0, worker.kill)
        try:
            if limit is not None:
                alarm.start()
            worker.read()
            ready.append(worker)
        except WorkerFailed as error:
            late = alarm.finished.is_set()
            print(f"left out: {worker.name} did not come up in {limit:g} s\n" if late else f"left out: {error}\n", file=sys.stderr)
            worker.close()
        finally:
            alarm.cancel()
    return ready


def start_in_turn(makers: Sequence[Callable[[], Worker]], within: float) -> tuple[list[Worker], list[str]]:
    """Workers started one after the other, so that none compiles beside another, and why the others were left out.

    One that is not ready `within` so many seconds, compilation and first answers included, is ended.
    """
    ready, left_out = list[Worker](), list[str]()
    for make in makers:
        worker = make()
        try:
            worker.read(within)
            ready.append(worker)
        except WorkerFailed as error:
            left_out.append(str(error))
            print(f"left out: {error}\n", file=sys.stderr)
            worker.close()
    return ready, left_out


def interleave(workers: Sequence[Worker], rounds: int, iterations: int) -> None:
    """Let the workers, if any, take turns; the first iteration of a turn finds cold caches and is dropped."""
    for turn in range(rounds if workers else 0):
        for worker in workers[turn % len(workers) :] + workers[: turn % len(workers)]:
            worker.seconds += worker.ask(f"run {iterations + 1}")["seconds"][1:]


def first_answers(cases: dict[str, tuple], runs: int) -> dict[str, list[float]]:
    """Seconds from process start to the first answer, for each name in `runs` fresh processes, in turn.

    A case is ``(options of Worker, script, *arguments)``.  Not pinned, so that compilers may use threads.  A case that fails is left out.
    """
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(runs):
        for name, (options, *command) in cases.items():
            try:
                with Worker(name, *command, pin=False, **options) as worker:
                    found[name].append(worker.seconds_to_first_answer())
            except WorkerFailed as error:
                print(f"left out: {error}\n", file=sys.stderr)
    return {name: seconds for name, seconds in found.items() if len(seconds) == runs}


def relative_difference(value: Sequence[float], reference: Sequence[float]) -> float:
    """Euclidean norm of the difference over that of the reference."""
    difference = sum((a - b) ** 2 for a, b in zip(value, reference, strict=True)) ** 0.5
    return difference / sum(b * b for b in reference) ** 0.5


def milliseconds(seconds: float) -> str:
    """Three significant digits of a time, in milliseconds."""
    return f"{1e3 * seconds:.3g}"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table with aligned columns; the first column is text, the others are right-aligned."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(header))]
    lines = ["| " + " | ".join(c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths))) + " |" for row in cells]
    rule = "|" + "|".join("-" * (w + 2) if k == 0 else "-" * (w + 1) + ":" for k, w in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def timing_table(workers: Sequence[Worker], reference: Worker) -> str:
    """Median, 10th and 90th percentile of each worker, and the median as a multiple of the reference's."""
    rows = []
    for worker in workers:
        deciles = statistics.quantiles(worker.seconds, n=10)
        rows.append((
            worker.name, milliseconds(worker.median), f"{milliseconds(deciles[0])} - {milliseconds(deciles[-1])}",
            f"{worker.median / reference.median:.2f}", len(worker.seconds),
        ))  # fmt: skip
    return table(("", "median ms", "10% - 90%", f"x {reference.name}", "iterations"), rows)


def machine() -> str:
    """One line that names the machine and the versions: a measurement without it is worth nothing."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next((line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")), model)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "numba") if _installed(name))
    return f"{time.strftime('%Y-%m-%d')}, {model}, {os.cpu_count()} cores, one used; Python {platform.python_version()}, {versions}"


def _installed(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


class Report:
    """Prints as it goes; `save` keeps the same text in ``benchmarks/results``, so that README and docs can quote it."""

    def __init__(self, title: str) -> None:
        self.text = ""
        self(f"# {title}\n\n{machine()}")

    def __call__(self, text: str) -> None:
        """Print one block of text and remember it."""
        print(text + "\n", flush=True)
        self.text += text + "\n\n"

    def save(self, name: str) -> None:
        """Write everything said so far to ``benchmarks/results/<name>.md``."""
        folder = HERE / "results"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.md").write_text(self.text.rstrip() + "\n")
