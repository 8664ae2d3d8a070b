"""What holds for every test: no network, and MNIST only where it is already on disk."""

import socket

import pytest
from threadpoolctl import threadpool_limits
from toys import trained

from data import mnist

threadpool_limits(1, "blas")                # of each worker of pytest's: there is one a core

LOCAL = {"127.0.0.1", "::1", "localhost"}


def pytest_runtest_setup(item):
    if item.get_closest_marker("mnist") and not mnist.here():
        pytest.skip("MNIST is not on this machine (data/README.md says where it is looked for)")


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
