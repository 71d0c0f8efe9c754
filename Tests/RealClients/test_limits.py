"""Amazon's rates, where they are asked for (--enforce-limits)."""
import re

import pytest

from support.server import ACCOUNT
from support.streams import create, iterator, put
from support.values import refused, shard_id


@pytest.fixture
def kinesis(serve):
    return serve("--enforce-limits").boto()


def rate_text(name, shard=shard_id(0)):
    """API-L-3: either of the two texts of AWS."""
    return re.compile(
        rf"Rate exceeded for shard {shard} in stream {name} under account {ACCOUNT}\.|"
        rf"Rate exceeded for Shard - {ACCOUNT}/{name}/{shard}")


def test_nothing_is_limited_by_default(server):
    """API-L-1."""
    kinesis = server.boto()
    name = create(kinesis)
    for _ in range(4):
        answer = kinesis.put_records(
            StreamName=name, Records=[{"Data": bytes(10_000), "PartitionKey": "k"}] * 500)
        assert answer["FailedRecordCount"] == 0
    for _ in range(50):
        kinesis.get_records(ShardIterator=iterator(kinesis, name), Limit=1)


def test_writes_are_limited_by_shard(kinesis):
    """API-L-3, API-PutRecords-3: per record, with status 200; what was refused is not written."""
    name = create(kinesis)
    written = refused_ = 0
    for _ in range(10):
        answer = kinesis.put_records(StreamName=name, Records=[{"Data": b"x", "PartitionKey": "k"}] * 500)
        failed = [entry for entry in answer["Records"] if "ErrorCode" in entry]
        assert answer["FailedRecordCount"] == len(failed)
        for entry in failed:
            assert entry["ErrorCode"] == "ProvisionedThroughputExceededException"
            assert rate_text(name).fullmatch(entry["ErrorMessage"]) and "SequenceNumber" not in entry
        written += 500 - len(failed)
        refused_ += len(failed)
    assert written >= 1000
    # On a machine that takes seconds for ten calls nothing has to be refused: then bytes decide at once.
    if not refused_:
        answer = kinesis.put_records(StreamName=name, Records=[{"Data": bytes(1_000_000), "PartitionKey": "k"}] * 10)
        assert answer["FailedRecordCount"] > 0
        written += 10 - answer["FailedRecordCount"]


def test_one_record_over_the_rate_is_refused(kinesis):
    """API-L-3."""
    name = create(kinesis)
    with refused("ProvisionedThroughputExceededException", rate_text(name)):
        for _ in range(100):
            put(kinesis, name, bytes(1_000_000))


def test_reads_are_limited_by_shard(kinesis):
    """API-L-3: five calls a second."""
    name = create(kinesis)
    position = iterator(kinesis, name)
    with refused("ProvisionedThroughputExceededException", rate_text(name)):
        for _ in range(1000):
            kinesis.get_records(ShardIterator=position)


def test_control_calls_are_limited(kinesis):
    """API-L-4."""
    name = create(kinesis)
    with refused("LimitExceededException"):
        for _ in range(1000):
            kinesis.describe_stream(StreamName=name)


def test_a_count_of_shards_is_limited(kinesis):
    """API-UpdateShardCount-1, API-UpdateShardCount-4: open shards count."""
    name = create(kinesis, shards=2)
    with refused(
        "LimitExceededException",
        "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 2 Target "
        "shard count: 5",
    ):
        kinesis.update_shard_count(StreamName=name, TargetShardCount=5, ScalingType="UNIFORM_SCALING")
    name = create(kinesis, shards=6)
    with refused(
        "LimitExceededException",
        "UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: 6 Target "
        "shard count: 2",
    ):
        kinesis.update_shard_count(StreamName=name, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
