"""`python -m anatomy.tui.backstage FD`: imports the libraries once, then forks a worker for every socket it is sent.

A worker that is not wanted any more is told so by its socket's end, and ends at once, wherever it is; the next one begins
with everything imported. This process itself rehearses nothing, so there is never more than one thread to fork.
"""

import os
import signal
import socket
import sys

NICE = 10
"""How far a rehearsal stands behind the interface where both want the processor."""


def main(descriptor: int) -> None:
    """Serve until the interface is gone."""
    from anatomy.profiling.cells.preload import import_libraries
    from anatomy.tui.backstage.worker import work

    with socket.socket(fileno=descriptor) as control:
        import_libraries()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for workers
        while True:
            message, descriptors, *_ = socket.recv_fds(control, 1, 1)
            if not message:
                return
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.nice(NICE)
                control.close()
                work(descriptors[0])
                os._exit(0)
            os.close(descriptors[0])


if __name__ == "__main__":
    main(int(sys.argv[1]))
