from benchmarks.request_path import GOAL_FILES, called_by, markdown, measure


def test_the_files_of_a_request_are_those_it_runs_through(mixture) -> None:
    entered = measure(mixture, steps=8)
    names = {str(file).partition("/trajflow/")[2]: functions for file, functions in entered.items()}
    assert "euler_step" in names["field.py"]
    assert "Basis.velocity" in names["transitions/basis.py"], "it starts from the earlier pictures"
    assert not any(name.startswith(("base/", "ui/", "learning/")) for name in names)
    assert len(entered) <= GOAL_FILES
    assert markdown(entered).splitlines()[-1].startswith(f"{len(entered)} files of ")


def test_nothing_is_called_by_work_that_calls_nothing() -> None:
    assert called_by(lambda: sum([1, 2])) == {}
