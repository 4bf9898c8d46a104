"""The runner of many cells: what each kind of end costs, and that nothing finished is lost or repeated.

Real processes throughout; the work in them is a stand-in.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stand_ins import small_record

from anatomy.errors import SourceError
from anatomy.profiling.cells.results import Results, Task
from anatomy.profiling.cells.runner import Outcome, Progress, run_cells

SCRIPT = Path(__file__).parent / "many_cells.py"


def task(name: str, end: str = "well", **more) -> Task:
    return Task(name=name, definition={"name": name, "end": end, **more}, labels={"family": "llama"})


def run(tasks, folder: Path, **options) -> Outcome:
    return run_cells(tasks, folder, **{"worker": "stand_ins:work", **options})


def test_each_kind_of_end_costs_one_cell(tmp_path):
    ends = ("refused", "broken", "out of memory", "segfault", "killed", "vanished", "well")
    outcome = run([task(end.replace(" ", "-"), end) for end in ends], tmp_path, jobs=4)
    assert outcome.finished == ("well",)
    assert outcome.failed == ("refused", "broken", "out-of-memory", "segfault", "killed", "vanished")
    found = {failed.name: failed for failed in Results(tmp_path).failures()}
    assert {name: failed.kind for name, failed in found.items()} == {
        "refused": "error",
        "broken": "error",
        "out-of-memory": "out of memory",
        "segfault": "crash",
        "killed": "crash",
        "vanished": "crash",
    }
    assert found["refused"].reason == "this model cannot run it."
    assert found["broken"].reason == "ValueError: first line"
    assert found["broken"].detail[-1].startswith("stand_ins.py:")
    assert found["out-of-memory"].reason == "MemoryError: no room for 3 GiB"
    assert found["segfault"].reason == "its process was ended by SIGSEGV"
    assert found["segfault"].detail[:2] == (
        "a library's last words",
        "Fatal Python error: Segmentation fault",
    )
    assert any(line.startswith("stand_ins.py:") for line in found["segfault"].detail)
    assert "out of memory" in found["killed"].reason
    assert found["vanished"].reason == "its process ended with code 3 and no result"
    assert all(failed.labels["family"] == "llama" for failed in found.values())
    assert all(os.sep not in line for failed in found.values() for line in failed.detail)


def test_a_cell_that_hangs_is_given_up(tmp_path):
    start = time.monotonic()
    outcome = run([task("slow", seconds=60.0), task("fast")], tmp_path, timeout=2.0)
    assert time.monotonic() - start < 30
    assert (outcome.failed, outcome.finished) == (("slow",), ("fast",))
    (failed,) = Results(tmp_path).failures()
    assert (failed.kind, failed.reason) == ("timeout", "it did not end within 2 seconds")


def test_nothing_but_results_is_left(tmp_path):
    run([task("one"), task("two", "segfault"), task("three", "broken")], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("one.run.json.xz", "three.failed.json", "two.failed.json")
    ]


def test_records_are_labelled(tmp_path):
    mine = task("one")
    run([mine], tmp_path)
    ((path, record),) = Results(tmp_path).runs()
    assert path.name == "one.run.json.xz"
    assert record.labels == {"family": "llama", "fingerprint": mine.fingerprint}
    assert record.measurement == small_record().measurement


def test_what_is_done_is_not_done_again(tmp_path):
    journal = tmp_path / "journal"
    folder = tmp_path / "results"
    cells = [task("one", journal=str(journal)), task("bad", "broken", journal=str(journal))]
    run(cells, folder)
    outcome = run(cells, folder)
    assert (outcome.kept, outcome.finished, outcome.failed) == (("one", "bad"), (), ())
    assert len(journal.read_text().splitlines()) == 2
    again = run(cells, folder, retry_failed=True)
    assert (again.kept, again.failed) == (("one",), ("bad",))


def test_another_definition_is_another_cell(tmp_path):
    run([task("one"), task("two", "broken")], tmp_path)
    outcome = run([task("one", seconds=0.01), task("two")], tmp_path)
    assert outcome.finished == ("one", "two")
    assert not list(Results(tmp_path).failures())


def test_another_label_is_another_cell(tmp_path):
    """A record must not go on saying that its cell was held out when the grid no longer does."""
    one = task("one")
    run([one], tmp_path)
    assert Results(tmp_path).has_run(one)
    assert not Results(tmp_path).has_run(
        Task(name="one", definition=one.definition, labels={"hold_out": "yes"})
    )


@pytest.mark.parametrize("damage", [b"", b"\x1f\x8b truncated", b"{}"])
def test_a_damaged_record_is_made_again(tmp_path, damage):
    cells = [task("one")]
    run(cells, tmp_path)
    (path, _), *_ = Results(tmp_path).runs()
    path.write_bytes(damage)
    assert run(cells, tmp_path).finished == ("one",)


def test_progress_counts_up_and_estimates(tmp_path):
    told: list[Progress] = []
    run([task(f"cell-{n}", seconds=0.1) for n in range(4)], tmp_path, progress=told.append)
    assert [p.done for p in told] == [0, 0, 1, 2, 3, 4]
    assert {p.total for p in told} == {4}
    assert told[1].seconds_left is None
    assert told[2].seconds_left == pytest.approx(3 * 0.1, abs=3.0)
    assert told[-1].seconds_left == 0
    assert [len(p.running) for p in told] == [0, 1, 1, 1, 1, 0]


def test_the_time_limit_begins_nothing_new(tmp_path):
    outcome = run([task(f"cell-{n}", seconds=0.5) for n in range(20)], tmp_path, time_limit=2.0)
    assert 1 <= len(outcome.finished) <= 4
    assert len(outcome.left) == 20 - len(outcome.finished)
    assert not outcome.failed
    assert len(list(Results(tmp_path).runs())) == len(outcome.finished)


def test_jobs_run_side_by_side(tmp_path):
    told: list[Progress] = []
    run([task(f"cell-{n}", seconds=0.3) for n in range(6)], tmp_path, jobs=3, progress=told.append)
    assert max(len(p.running) for p in told) == 3


def test_two_runs_do_not_share_a_folder(tmp_path):
    process = start(tmp_path, tmp_path / "journal", count=1, seconds=30)
    try:
        wait_for(lambda: (tmp_path / "journal").exists())
        with pytest.raises(SourceError, match="Another run is at work"):
            run([task("one")], tmp_path)
    finally:
        process.kill()
        process.wait()


def start(folder: Path, journal: Path, *, count: int, seconds: float, jobs: int = 2) -> subprocess.Popen:
    arguments = map(str, (SCRIPT, folder, journal, count, seconds, jobs))
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # What a background job's children inherit: an interrupt that is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def in_session(session: int) -> list[int]:
    """Processes of a session that are alive: every one that a run started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and is_alive(int(entry.name)):
            try:
                if os.getsid(int(entry.name)) == session:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are counted in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_killed_in_the_middle(tmp_path, how):
    """No orphan, no finished cell lost, none repeated, nothing half-saved."""
    folder, journal = tmp_path / "results", tmp_path / "journal"
    folder.mkdir()
    process = start(folder, journal, count=8, seconds=0.5)
    wait_for(lambda: len(list(folder.glob("*.run.json.xz"))) >= 3)
    os.kill(process.pid, how)
    process.wait(timeout=30)
    wait_for(lambda: not in_session(process.pid), seconds=10)
    finished = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.run.json.xz")}
    assert 3 <= len(finished) < 8
    assert len(list(Results(folder).runs())) == len(finished)  # each opens

    second = start(folder, journal, count=8, seconds=0.5)
    out, error = second.communicate(timeout=60)
    assert second.returncode == 0, error
    outcome = json.loads(out)
    assert len(outcome["kept"]) == len(finished)
    assert sorted((*outcome["kept"], *outcome["finished"])) == [f"cell-{n}" for n in range(8)]
    assert {name: (folder / name).stat().st_mtime_ns for name in finished} == finished
    begun = [line.split()[0] for line in journal.read_text().splitlines()]
    assert all(begun.count(name.removesuffix(".run.json.xz")) == 1 for name in finished)
    assert sorted(path.name for path in folder.iterdir()) == [f"cell-{n}.run.json.xz" for n in range(8)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_server_that_started_cuda_is_not_forked_from(tmp_path, jobs):
    """torch says so in the child; the cell then runs in a process that was not forked."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from anatomy.profiling.cells.runner import run_cells\n"
        "from anatomy.profiling.cells.results import Task\n"
        "tasks = [Task(name=n, definition={'name': n, 'journal': sys.argv[3]}) for n in ('one', 'two')]\n"
        "print(run_cells(tasks, Path(sys.argv[1]), worker='stand_ins:work', "
        f"jobs={jobs}, preload=('poisoned_torch',)).finished)"
    )
    folder, journal = tmp_path / "results", tmp_path / "journal"
    done = subprocess.run(
        [sys.executable, "-c", script, folder, SCRIPT.parent, journal], capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parent)},
    )  # fmt: skip
    assert done.stdout.strip() == "('one', 'two')", done.stderr
    lines = journal.read_text().splitlines()
    assert sorted(line.split()[0] for line in lines) == ["one", "two"]
    assert "poisoned" not in journal.read_text()


def test_libraries_are_not_looked_for_in_the_working_directory(tmp_path):
    """People train in folders that have a torch.py or a clone of transformers in them."""
    (tmp_path / "stand_ins.py").write_text("raise SystemExit('shadowed')")
    folder, journal = tmp_path / "results", tmp_path / "journal"
    arguments = map(str, (SCRIPT, folder, journal, 1, 0, 1))
    done = subprocess.run([sys.executable, *arguments], capture_output=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["finished"] == ["cell-0"]
