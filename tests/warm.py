"""A Python that is warm: ``python -m stxfer.bin.NAME`` in a child of one process that has imported everything.

A recipe starts a dozen interpreters, each of which imports for seconds. ``STXFER_PYTHON`` may name any program: here it
is a client that hands its arguments, folder, environment and standard streams to a server, which forks, runs the
command and gives back its exit status. All else that the client is asked for, an ordinary interpreter does.
"""

from __future__ import annotations

import array
import contextlib
import marshal
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

COMMANDS = ("check_config", "clean_bitext", "decode", "dump_fbank", "make_labels", "make_vocab", "prepare",
            "prepare_bitext", "prepare_common_voice", "prepare_covost2", "prepare_fleurs", "prepare_manifest", "report",
            "score", "score_mt", "speak_bitext", "take_sets", "train", "train_lm", "train_mt", "train_system")
CLIENT = """#!{python} -IS
import _socket, marshal, os, sys
words = sys.argv[1:]
if words[:1] != ["-m"] or not words[1].startswith("stxfer.bin."):
    os.execv("{python}", ["{python}", *words])
connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
connection.connect("{address}")
message = marshal.dumps((os.getcwd(), dict(os.environ), words[1], words[2:]))
descriptors = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
connection.sendmsg([len(message).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)])
connection.send(message)
sys.exit(int.from_bytes(connection.recv(4) or b"\\0\\0\\0\\x46", "big"))
"""


@contextlib.contextmanager
def warm_python(folder: Path) -> Iterator[Path]:
    """Yield the client, a program for ``STXFER_PYTHON``; the server ends with the block."""
    address, client = folder / "warm.socket", folder / "python"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(address))
    listener.listen()
    client.write_text(CLIENT.format(python=sys.executable, address=address), encoding="utf-8")
    client.chmod(0o755)
    environment = {**os.environ, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    server = subprocess.Popen([sys.executable, __file__, str(listener.fileno())], env=environment,
                              pass_fds=[listener.fileno()])
    listener.close()
    try:
        yield client
    finally:
        server.terminate()
        server.wait()


def serve(listener: socket.socket) -> None:
    """Answer clients as long as the tests run; a client that has gone takes its command with it."""
    running: dict[int, socket.socket] = {}
    parent = os.getppid()
    while os.getppid() == parent:
        heard, _, _ = select.select([listener, *running.values()], [], [], 0.02 if running else 1.0)
        for ready in heard:
            if ready is listener:
                connection, _ = listener.accept()
                running[_start(connection, [listener, *running.values()])] = connection
            else:
                (child,) = (child for child, connection in running.items() if connection is ready)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
        for child in [*running]:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                with running.pop(child) as connection, contextlib.suppress(OSError):
                    code = os.waitstatus_to_exitcode(status)
                    connection.send((code if code >= 0 else 128 - code).to_bytes(4, "big"))


def _start(connection: socket.socket, inherited: list[socket.socket]) -> int:
    head, ancillary, *_ = connection.recvmsg(4, socket.CMSG_SPACE(12))
    streams = array.array("i", ancillary[0][2])
    message = b""
    while len(message) < int.from_bytes(head, "big"):
        message += connection.recv(1 << 16)
    folder, environment, module, arguments = marshal.loads(message)
    child = os.fork()
    if not child:
        code = 70
        try:
            os.setpgid(0, 0)
            for other in (connection, *inherited):
                other.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            time.tzset()
            code = forks.be_interpreter(forks.command(module.rpartition(".")[2], *arguments))
        finally:
            os._exit(code)
    for stream in streams:
        os.close(stream)
    return child


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools" / "campaign"))
    import forks

    forks.import_once(COMMANDS)
    serve(socket.socket(fileno=int(sys.argv[1])))
