r"""The guardians of drivers: processes between us and the drivers, which end all that a driver has started.

This file is run as a script by an interpreter of its own, `python -I -S guardian.py PID`, and imports nothing of ours:
that process is the chief guardian. For each order it forks a guardian, which makes itself the subreaper of its
descendants and forks and executes one driver:

    we --orders--> chief --fork--> guardian --fork, exec--> driver --> whatever it starts, daemons too
     \_________________ control ______/

- A guardian ends its driver (SIGTERM, after 0.5 s SIGKILL, all descendants) when it is told to, when we are gone, which
  is the end of its control socket or of our process, when its chief is gone, and what is left when the driver itself
  has ended.
- A guardian that is killed takes its driver along by PR_SET_PDEATHSIG. The driver's other descendants then fall to the
  chief, which is a subreaper too and kills every child that is not a guardian.

One guardian for each driver, because only that tells whose a daemon is: orphans come to the subreaper without a name,
and sessions, groups and environments can be left. One chief for all, because a fork of a small process is cheaper than
an interpreter. Measured for 50 drivers on two cores, Python 3.11: 50 interpreters with these imports are there after
0.50 s and hold 4.1 MB each of their own; by forks of one, 50 drivers (`cat`) run after 0.15 s, and each guardian holds
0.9 MB.

Signals are the one thing that is not told apart here: any that asks to end does what the end of the orders does.
"""

# Without pathlib and contextlib, which would double the time that the chief takes to start.
# ruff: noqa: PTH110, PTH112, PTH114, PTH118, PTH123, PTH208, SIM105
from __future__ import annotations

import array
import ctypes
import errno
import gc
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 5 ms
    from typing import NoReturn

GRACE = 0.5
"""For how many seconds a driver may tidy up between SIGTERM and SIGKILL."""

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_SET_PDEATHSIG, _SET_NAME, _SET_CHILD_SUBREAPER = 1, 15, 36

Strings = list[bytes]


def written(command: Strings, environment: Strings, descriptors: int) -> bytes:
    """Return an order: the command, the environment as KEY=value, and the soft limit of open descriptors."""
    return b"\0".join([b"%d %d" % (len(command), descriptors), *command, *environment])


def read_order(order: bytes) -> tuple[Strings, Strings, int]:
    """Return the command, the environment and the descriptor limit that `written` has written."""
    head, *strings = order.split(b"\0")
    words, descriptors = map(int, head.split())
    return strings[:words], strings[words:], descriptors


def descendants(ancestor: int, spared: frozenset[int] = frozenset()) -> list[int]:
    """Return the ids of all living processes that descend from a process, without those spared and theirs."""
    is_listed = os.path.exists(f"/proc/self/task/{os.getpid()}/children")  # by a kernel with CONFIG_PROC_CHILDREN
    children_of = _children if is_listed else _sought_children()
    found: list[int] = []
    generation = [ancestor]
    while generation:
        children = [child for parent in generation for child in children_of(parent) if child not in spared]
        generation = [child for child in children if _state_and_parent(child)[0] not in b"ZX"]
        found += generation
    return found


def _children(process: int) -> list[int]:
    """Return the children of all threads of a process, as the kernel lists them."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:  # it has ended meanwhile, or is hidden from us
        pass
    return found


def _sought_children() -> Callable[[int], list[int]]:
    """Find children by the parents of all processes there are, which takes time where there are many."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            children.setdefault(_state_and_parent(int(entry))[1], []).append(int(entry))
    return lambda process: children.get(process, [])


def _state_and_parent(process: int) -> tuple[bytes, int]:
    """Return in which state a process is, by its letter, and its parent; X and 0 if there is no such process."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            status = file.read()
    except OSError:  # it has ended meanwhile, or is hidden from us
        return b"X", 0
    # The program's name stands in parentheses and may hold anything.
    state, parent, _ = status[status.rindex(b")") + 2 :].split(None, 2)
    return state, int(parent)


LASTING = 127
"""The exit status that a shell has for a program that cannot be found."""

_LASTING_ERRORS = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.ENOEXEC, errno.ELOOP)


def why_not(path: bytes, number: int) -> str:
    """Return in one sentence why a program could not be executed, from the errno of the attempt."""
    name = os.fsdecode(path)
    if number in (errno.ENOENT, errno.ENOTDIR) and os.path.exists(path):
        with open(path, "rb") as file:
            first = file.readline(256)
        if first.startswith(b"#!") and (words := first[2:].split()):
            return f"{name}: its first line names {os.fsdecode(words[0])}, which does not exist"
        return f"{name}: the loader or interpreter that it needs does not exist (a program for another system?)"
    if number in (errno.ENOENT, errno.ENOTDIR):
        if os.path.islink(path):
            return f"{name}: a link to something that does not exist"
        return f"{name}: there is no such program" if b"/" in path else f"{name}: there is no such program on PATH"
    if number == errno.EACCES:
        if os.path.isdir(path):
            return f"{name}: a directory, not a program"
        if os.access(path, os.X_OK):
            return f"{name}: its interpreter or the file system does not permit to execute it"
        return f"{name}: not permitted to execute it (chmod +x, or its folder)"
    if number == errno.ENOEXEC:
        return f"{name}: neither a program for this machine nor a script that begins with #!"
    return f"{name}: {os.strerror(number)}"


def execute(command: Strings, environment: Strings) -> tuple[str, int]:
    """Become the program, sought on the PATH of the environment; return the reason and the errno if that cannot be."""
    variables = dict(variable.split(b"=", 1) for variable in environment)
    name = command[0]
    places = [b""] if b"/" in name else variables.get(b"PATH", os.fsencode(os.defpath)).split(b":")
    reason, number = why_not(name, errno.ENOENT), errno.ENOENT
    found = False
    for place in places:
        path = os.path.join(place, name)
        try:
            os.execve(path if b"/" in path else b"./" + path, command, variables)  # noqa: S606 - no shell wanted
        except OSError as error:
            # What is there and cannot be executed says more than a folder of the PATH without it.
            if not found and (b"/" in name or os.path.lexists(path)):
                number, found = error.errno or 0, True
                reason = why_not(path, number)
    return reason, number


def start(order: bytes, ends: Sequence[int]) -> tuple[int, str]:
    """Fork and execute a driver with `ends` as stdin, stdout and stderr; return its id, or 0 and the reason.

    The id is negative where the reason lasts until somebody mends it: there is no such program, say.
    """
    command, environment, descriptors = read_order(order)
    reader, writer = os.pipe()
    guardian = os.getpid()
    driver = os.fork()
    if driver == 0:
        reason, number = "it was ended before it began", 0
        try:
            os.setsid()
            prctl(_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == guardian:
                for number, end in enumerate(ends):
                    os.dup2(end, number)
                hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
                soft = descriptors if hard == resource.RLIM_INFINITY else min(descriptors, hard)
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                reason, number = execute(command, environment)
        except Exception as error:  # whatever it is, it has to be told, and this process must not go on
            reason = f"{os.fsdecode(command[0])}: {error}"
        os.write(writer, reason.encode(errors="backslashreplace")[: select.PIPE_BUF])
        os._exit(LASTING if number in _LASTING_ERRORS else 1)
    os.close(writer)
    # The other end is closed by the very execution, or written to.
    # It may have been cut within a character.
    reason = os.read(reader, select.PIPE_BUF).decode(errors="replace")
    os.close(reader)
    if reason:
        _, status = os.waitpid(driver, 0)
        return -(os.waitstatus_to_exitcode(status) == LASTING), reason
    return driver, ""


class Signals:
    """Hear of children that have ended, and of signals that ask this process to end."""

    def __init__(self) -> None:
        self.asked_to_end = False
        self._open()
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            # Drivers are to ignore none, and a handler is none any more in what they execute.
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGCHLD, *_ENDING):
            signal.signal(number, self._heard)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def part(self) -> None:
        """Go on in a forked process, apart from the one that it was forked from."""
        # What was heard since the fork still counts. All else is kept: this is done for each driver that is started.
        os.close(self.descriptor)
        os.close(self._writer)
        self._open()

    def _open(self) -> None:
        self.descriptor, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def wait(self, seconds: float, *others: int) -> bool:
        """Wait for a signal, or for one of other descriptors, which makes the result True; below 0 for ever."""
        poll = select.poll()
        for descriptor in (self.descriptor, *others):
            poll.register(descriptor, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll(-1 if seconds < 0 else seconds * 1000)]
        if self.descriptor in ready:
            os.read(self.descriptor, 4096)
        return any(descriptor in others for descriptor in ready)

    def _heard(self, number: int, _frame: object) -> None:
        self.asked_to_end |= number in _ENDING


def reap(ended: Callable[[int, int], None]) -> bool:
    """Tell the id and the wait status of each child that has ended; return whether any is left."""
    while True:
        try:
            child, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if child == 0:
            return True
        ended(child, status)


def send(number: int, *processes: int) -> None:
    """Send a signal to each process that is still there and permits it."""
    for process in processes:
        try:
            os.kill(process, number)
        except OSError:  # it has ended meanwhile, or runs as somebody else
            continue


def ask_to_end(*processes: int) -> None:
    """Let processes tidy up and end, also those that somebody has stopped: a driver its guardian, say."""
    for number in (signal.SIGTERM, signal.SIGCONT):
        send(number, *processes)


def guard(signals: Signals, watched: tuple[int, int], chief: int, order: bytes, ends: Sequence[int]) -> None:
    """Run a driver from its start to the end of all its descendants.

    `watched` is the control socket, and what tells the end of the process that holds its other end: others that it has
    forked may hold that too.
    """
    control = socket.socket(fileno=watched[0])
    prctl(_SET_PDEATHSIG, signal.SIGTERM)
    prctl(_SET_CHILD_SUBREAPER, 1)

    def tell(word: str, *descriptors: int) -> None:
        try:
            send_with(control, word.encode(), descriptors)
        except OSError:  # nobody is there to hear it, and what is to be done is the same
            pass
        for descriptor in descriptors:
            os.close(descriptor)

    tell("guardian", os.pidfd_open(os.getpid()))
    driver, reason = start(order, ends)
    for end in ends:
        os.close(end)
    if reason:
        tell(f"{'unusable' if driver < 0 else 'failed'} {reason}")
        return
    tell(f"started {driver}", os.pidfd_open(driver))
    over = os.getppid() != chief

    def ended(child: int, status: int) -> None:
        nonlocal over
        if child == driver:
            over = True
            tell(f"ended {status}")

    while reap(ended) and not (over or signals.asked_to_end):
        over = signals.wait(-1, *watched)
    me = os.getpid()
    if os.getppid() == chief:  # which a driver may have stopped
        send(signal.SIGCONT, chief)
    if reap(ended):
        ask_to_end(*descendants(me))
        deadline = time.monotonic() + GRACE
        while reap(ended) and (left := deadline - time.monotonic()) > 0:
            signals.wait(left)
    # Again and again: some may fork meanwhile, and the children of those that were killed come to us.
    while reap(ended):
        send(signal.SIGKILL, *descendants(me))
        signals.wait(0.02)


def command_guardians(orders: socket.socket, master: int) -> None:
    """Be the chief: fork a guardian for each order until the orders or the process that gives them end."""
    prctl(_SET_CHILD_SUBREAPER, 1)
    signals = Signals()
    guardians: set[int] = set()
    me = os.getpid()
    strangers = over = False
    # Whoever our master has forked holds the other end of the orders too: its own end counts as well.
    watched = [os.pidfd_open(master)]
    # What is there now is not to be copied by each fork only because the collector has looked at it.
    gc.disable()
    gc.freeze()

    def ended(child: int, status: int) -> None:
        nonlocal strangers
        guarded = child in guardians
        guardians.discard(child)
        # A guardian that has ended in order has left nobody.
        strangers |= status != 0 or not guarded

    while reap(ended) or not over:
        if strangers:
            strangers = False
            send(signal.SIGKILL, *descendants(me, frozenset(guardians)))
        over |= signals.asked_to_end
        if over:
            ask_to_end(*guardians)
            signals.wait(-1 if reap(ended) else 0)
        elif signals.wait(-1, orders.fileno(), *watched):
            try:
                _, received = receive_with(orders, 64)
            except OSError:  # what has woken us is the end of who gives the orders
                received = []
            over = len(received) != 5
            if not over:
                guardian = os.fork()
                if guardian == 0:
                    signals.part()
                    orders.close()
                    guard_and_exit(signals, me, watched[0], *received)
                guardians.add(guardian)
            for descriptor in received:
                os.close(descriptor)


def send_with(control: socket.socket, data: bytes, descriptors: Sequence[int]) -> None:
    """Send a message with descriptors, without waiting; raise OSError if it does not go."""
    # socket.send_fds and recv_fds do not pass their flags on (seen in Python 3.11).
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    control.sendmsg([data], rights, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def receive_with(control: socket.socket, size: int) -> tuple[bytes, list[int]]:
    """Return a message and up to five descriptors, which no child inherits; raise BlockingIOError if there is none."""
    flags = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
    data, rights, _, _ = control.recvmsg(size, socket.CMSG_SPACE(5 * array.array("i").itemsize), flags)
    descriptors = array.array("i")
    for _, _, right in rights:
        descriptors.frombytes(right[: len(right) // descriptors.itemsize * descriptors.itemsize])
    return data, descriptors.tolist()


def guard_and_exit(signals: Signals, chief: int, master: int, control: int, command: int, *stdio: int) -> NoReturn:
    """Be a guardian, just forked; how this process ends tells its chief whether all is in order."""
    status = 1
    try:
        with open(command, "rb") as file:
            order = file.read()
        guard(signals, (control, master), chief, order, stdio)
        status = 0
    except BaseException:  # the chief's code, further up, is not for this process
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


def prctl(option: int, value: int | bytes) -> None:
    """Set an attribute of this process; raise OSError if the kernel refuses."""
    argument = ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_ulong(value)
    nothing = ctypes.c_ulong(0)
    if _libc.prctl(option, argument, nothing, nothing, nothing) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


_libc = ctypes.CDLL(None, use_errno=True)

if __name__ == "__main__":
    given = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    prctl(_SET_NAME, b"core-guardian")
    command_guardians(given, int(sys.argv[1]))
