"""The store of a server that runs, by the command line: streams and records are the same on both ways."""
import json
import os
import subprocess

import pytest

from support.server import PATIENCE, program
from support.streams import create, iterator, put, read_all, status
from support.values import shard_id


@pytest.fixture
def shardline(server):
    def run(*arguments, text=""):
        done = subprocess.run(
            [program(), *arguments, "--data", str(server.data)], input=text, capture_output=True, text=True,
            timeout=PATIENCE, env={k: v for k, v in os.environ.items() if not k.startswith("SHARDLINE_")})
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_stream_made_on_the_command_line(shardline, kinesis):
    """API-A-7, API-N-1: it belongs to the server's account and region; what is put there is read by boto3."""
    shardline("stream", "create", "made-here", "--shards", "2")
    assert status(kinesis, "made-here") == "ACTIVE" and "made-here" in kinesis.list_streams()["StreamNames"]
    shardline("put", "made-here", "--key", "k", text="one\ntwo\n")
    found = [
        (record["Data"], record["PartitionKey"]) for shard in (shard_id(0), shard_id(1))
        for record in read_all(kinesis, iterator(kinesis, "made-here", shard))[0]]
    assert found == [(b"one", "k"), (b"two", "k")]


def test_a_stream_made_by_boto3(shardline, kinesis):
    """API-N-1, API-Q-1: it is listed, and its records have the same numbers."""
    name = create(kinesis, shards=2)
    answers = put(kinesis, name, b"one", b"two")
    assert name in shardline("stream", "list")
    lines = [json.loads(line) for line in shardline("tail", name, "--json").splitlines()]
    assert [line["sequenceNumber"] for line in lines] == [answer["SequenceNumber"] for answer in answers]
