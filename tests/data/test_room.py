import threading
import time

from leanet.data.room import Room


def peak(room: Room, sizes: list[int]) -> int:
    """The most pixels at a time while a thread for each size takes room."""
    held, most, lock = 0, 0, threading.Lock()

    def use(size: int) -> None:
        nonlocal held, most
        with room.taken(size):
            with lock:
                held += size
                most = max(most, held)
            time.sleep(0.005)
            with lock:
                held -= size

    threads = [threading.Thread(target=use, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most


def test_images_share_the_room() -> None:
    assert 5 < peak(Room(10), [5, 5, 3, 2, 4] * 6) <= 10


def test_what_is_larger_than_the_room_has_it_alone() -> None:
    assert peak(Room(10), [30, 3, 3, 30, 3]) == 30


def test_room_is_given_back_after_an_error() -> None:
    room = Room(1)
    for _ in range(3):
        try:
            with room.taken(1):
                raise ValueError
        except ValueError:
            pass
    with room.taken(1):
        pass
