"""Servers, clients and streams for the tests."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support.server import Clock, Server  # noqa: E402
from support.streams import create  # noqa: E402


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with its defaults, one for all tests of a file: each takes streams with names of its own."""
    with Server(tmp_path_factory.mktemp("server") / "store") as server:
        yield server


@pytest.fixture
def serve(tmp_path):
    """Starts servers with flags; each stands on a store of its own unless `data` names one."""
    servers = []

    def start(*flags, data=None, **options):
        servers.append(Server(tmp_path / (data or f"store-{len(servers)}"), *flags, **options).start())
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


@pytest.fixture(scope="module")
def kinesis(server):
    return server.boto()


@pytest.fixture(scope="module")
def wire(server):
    from support.wire import Wire

    return Wire(server)


@pytest.fixture
def stream(kinesis):
    """Creates streams: `stream(shards=2)` gives a name."""
    return lambda **options: create(kinesis, **options)
