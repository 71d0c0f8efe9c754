"""The aws CLI, as its documentation uses it."""
import base64
import json
import pathlib
import subprocess
import sys

import pytest

from support.server import PATIENCE
from support.streams import arn
from support.values import MAX_HASH, shard_id


@pytest.fixture(scope="module")
def aws(server):
    program = pathlib.Path(sys.executable).with_name("aws")
    environment = server.client_environment()

    def run(*arguments, fails=False):
        done = subprocess.run(
            [str(program), "kinesis", *arguments], env=environment, capture_output=True, text=True, timeout=PATIENCE)
        if fails:
            assert done.returncode != 0
            return done.stderr.strip()
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


def test_a_stream_from_its_creation_to_its_end(aws):
    """The tutorial of the CLI: create, wait, describe, put, read, reshard, delete."""
    aws("create-stream", "--stream-name", "Foo", "--shard-count", "1")
    aws("wait", "stream-exists", "--stream-name", "Foo")
    summary = aws("describe-stream-summary", "--stream-name", "Foo")["StreamDescriptionSummary"]
    assert summary["StreamStatus"] == "ACTIVE" and summary["StreamARN"] == arn("Foo")
    assert aws("list-streams")["StreamNames"] == ["Foo"]
    put = aws("put-record", "--stream-name", "Foo", "--partition-key", "123", "--data", "testdata")
    assert put["ShardId"] == shard_id(0)
    position = aws(
        "get-shard-iterator", "--shard-id", shard_id(0), "--shard-iterator-type", "TRIM_HORIZON", "--stream-name",
        "Foo")["ShardIterator"]
    answer = aws("get-records", "--shard-iterator", position)
    (record,) = answer["Records"]
    assert base64.b64decode(record["Data"]) == b"testdata" and record["SequenceNumber"] == put["SequenceNumber"]
    assert record["PartitionKey"] == "123" and answer["MillisBehindLatest"] == 0
    aws("put-records", "--stream-name", "Foo", "--records", "Data=blob1,PartitionKey=a", "Data=blob2,PartitionKey=b")
    aws("split-shard", "--stream-name", "Foo", "--shard-to-split", shard_id(0), "--new-starting-hash-key", "10")
    aws("wait", "stream-exists", "--stream-name", "Foo")
    shards = aws("list-shards", "--stream-arn", arn("Foo"))["Shards"]
    assert [shard["ShardId"] for shard in shards] == [shard_id(0), shard_id(1), shard_id(2)]
    assert shards[2]["HashKeyRange"] == {"StartingHashKey": "10", "EndingHashKey": str(MAX_HASH)}
    aws("delete-stream", "--stream-name", "Foo")
    aws("wait", "stream-not-exists", "--stream-name", "Foo")


def test_errors_as_they_are_shown(aws):
    """API-N-7."""
    shown = aws("put-record", "--stream-name", "none", "--partition-key", "k", "--data", "x", fails=True)
    assert "An error occurred (ResourceNotFoundException) when calling the PutRecord operation: Stream none under " \
        "account 000000000000 not found." in shown


def test_a_consumer(aws):
    """API-RegisterStreamConsumer-1."""
    aws("create-stream", "--stream-name", "fan", "--stream-mode-details", "StreamMode=ON_DEMAND")
    aws("wait", "stream-exists", "--stream-name", "fan")
    made = aws("register-stream-consumer", "--stream-arn", arn("fan"), "--consumer-name", "app")["Consumer"]
    listed = aws("list-stream-consumers", "--stream-arn", arn("fan"))["Consumers"]
    assert [consumer["ConsumerARN"] for consumer in listed] == [made["ConsumerARN"]]
    aws("deregister-stream-consumer", "--consumer-arn", made["ConsumerARN"])
    aws("delete-stream", "--stream-name", "fan", "--enforce-consumer-deletion")
