"""What holds for every test: no network, and MNIST only where it is already on disk."""

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from threadpoolctl import threadpool_limits
from toys import trained

from data import mnist

threadpool_limits(1, "blas")                # of each worker of pytest's: there is one a core

LOCAL = {"127.0.0.1", "::1", "localhost"}


def pytest_runtest_setup(item):
    if item.get_closest_marker("mnist") and not mnist.is_on_disk():
        pytest.skip("MNIST is not on this machine (data/README.md says where it is looked for)")


@pytest.fixture(scope="session")
def torchvision():
    """torchvision, or a skip.

    Beside PyTorch for the CPU, a wheel for CUDA lacks two kernels, which no test here needs.
    """
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; pip install -r "
                                "requirements-torch.txt")
    try:
        for kernel in ("nms", "qnms"):
            with contextlib.suppress(RuntimeError):
                torch.library.define(f"torchvision::{kernel}",
                                     "(Tensor boxes, Tensor scores, float t) -> Tensor")
        import torchvision.transforms
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision cannot be imported ({error}); pip install -r "
                    "requirements-torch.txt")
    return torchvision


@pytest.fixture(scope="session")
def sigmoid():
    """A net with a hidden layer and five classes, for `toys.images`."""
    return trained((20, 12, 5))


@pytest.fixture(scope="session")
def linear():
    """A linear net with ten classes, for `toys.images`."""
    return trained((20, 10))


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """A test that asks for another machine, or only for its address, fails, and says so."""
    connect, getaddrinfo = socket.socket.connect, socket.getaddrinfo

    def local_connect(self, address):
        if self.family != socket.AF_UNIX:  # processes of one machine talk through these
            check(address[0])
        return connect(self, address)

    def local_getaddrinfo(host, *args, **kwargs):
        check(host)
        return getaddrinfo(host, *args, **kwargs)

    def check(host):
        if host not in LOCAL:
            pytest.fail(f"the tests run without network, but this one asked for {host}")

    monkeypatch.setattr(socket.socket, "connect", local_connect)
    monkeypatch.setattr(socket, "getaddrinfo", local_getaddrinfo)


@pytest.fixture
def server(monkeypatch):
    """A web server on this machine: (its address, {path: bytes} to fill, paths asked for).

    Of what lies under /cut/ it promises more bytes than it sends; to /late/ it answers late; /slow/
    comes a byte at a time, /endless/ again and again, /lengths/ with two lengths.
    """
    files, asked = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            kind = self.path.split("/")[1]
            if kind == "late":
                time.sleep(1)
            body = files.get(self.path)
            self.send_response(404 if body is None else 200)
            body = body or b""
            lengths = {"cut": len(body) + 99, "lengths": f"{len(body)}, 7"}
            if kind != "endless":
                self.send_header("Content-Length", lengths.get(kind, len(body)))
            self.end_headers()
            if kind == "slow":
                for i in range(len(body)):
                    self.wfile.write(body[i:i + 1])
                    time.sleep(0.03)
            while kind == "endless" and body:
                self.wfile.write(body)
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        web.handle_error = lambda *_: None  # when it answers late, nobody listens any more
        threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}", files, asked
        web.shutdown()
