import threading
import time

from trajflow.ui.line import Line


def test_the_line_is_served_one_at_a_time_in_the_order_of_asking():
    line, served, inside = Line(), [], []

    def ask(number):
        with line:
            inside.append(number)
            assert len(inside) == 1
            served.append(number)
            inside.remove(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    with line:
        for count, thread in enumerate(threads):
            thread.start()
            while len(line._waiting) <= count:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert served == list(range(8))


def test_nothing_is_held_between_two_events():
    line = Line()
    events = line.each(iter([1, 2]))
    assert next(events) == 1
    with line:
        pass
    assert list(events) == [2]
