"""What the KCL's source requires (its jars are not here), rule by rule, in CBOR over clear-text HTTP/2 as it speaks."""
import pytest

from support import cbor
from support.server import eventually
from support.streams import arn, wait_active
from support.values import Number, covers_all, hash_range, is_open, shard_id
from support.wire import CBOR, Blob, Subscription, Wire


class KCL:
    """Calls as the KCL's Java client makes them."""

    def __init__(self, wire):
        self.wire = wire

    def __call__(self, operation, **value):
        answer = self.wire.curl(operation, value, "java")
        assert answer.version == "2" and answer.headers["content-type"] == CBOR
        assert answer.status == 200, answer.body
        return answer.value if answer.body else None

    def error(self, operation, **value):
        answer = self.wire.curl(operation, value, "java")
        assert answer.status == 400
        return answer.error

    def split(self, name, shard, at):
        self("SplitShard", StreamName=name, ShardToSplit=shard, NewStartingHashKey=str(at))
        wait_active(self.wire.server.boto(), name)

    def read(self, name, shard, **position):
        """A lease's records to the end: what a PrefetchRecordsPublisher does."""
        position = position or {"ShardIteratorType": "TRIM_HORIZON"}
        iterator = self("GetShardIterator", StreamName=name, ShardId=shard, **position)["ShardIterator"]
        records = []
        while True:
            answer = self("GetRecords", ShardIterator=iterator, Limit=10000)
            records += answer["Records"]
            # DataFetcher.isValidResult: exactly one of the two, and children with parents (API-T-8).
            children = answer.get("ChildShards")
            assert (answer.get("NextShardIterator") is None) == bool(children)
            for child in children or []:
                assert child["ParentShards"] and child["HashKeyRange"]["StartingHashKey"]
            if children or (not answer["Records"] and answer["MillisBehindLatest"] == 0):
                return records, answer
            iterator = answer["NextShardIterator"]


@pytest.fixture
def kcl(wire):
    return KCL(wire)


def test_it_connects_over_http2_at_all(kcl, stream):
    """API-B-1, API-P-4: DescribeStreamSummary is the first call."""
    name = stream(shards=2)
    summary = kcl("DescribeStreamSummary", StreamName=name)["StreamDescriptionSummary"]
    assert summary["StreamStatus"] == "ACTIVE" and summary["OpenShardCount"] == 2
    assert isinstance(summary["StreamCreationTimestamp"], cbor.Time)
    assert summary["StreamCreationTimestamp"] % 1000 == 0 and "StreamId" not in summary


@pytest.mark.parametrize("kind", ["AT_TRIM_HORIZON", "AT_LATEST", "AT_TIMESTAMP"])
def test_leases_cover_all_hash_keys(kcl, stream, kind):
    """API-H-3, API-ListShards-3: at every moment of a stream's life, in the order of creation."""
    name = stream(shards=2)
    created = kcl("DescribeStreamSummary", StreamName=name)["StreamDescriptionSummary"]["StreamCreationTimestamp"]
    filters = {"Type": kind, **({"Timestamp": cbor.Time(created)} if kind == "AT_TIMESTAMP" else {})}
    for _ in range(3):
        shards = kcl("ListShards", StreamName=name, ShardFilter=filters)["Shards"]
        assert covers_all(shards)
        if kind != "AT_LATEST":
            assert [shard["ShardId"] for shard in shards] == [shard_id(0), shard_id(1)]
        else:
            assert all(map(is_open, shards))
        opened = [s for s in kcl("ListShards", StreamName=name)["Shards"] if is_open(s)]
        low, high = hash_range(opened[0])
        kcl.split(name, opened[0]["ShardId"], (low + high) // 2 + 2)


def test_a_stream_that_is_not_ready_is_in_use(serve):
    """API-C-2: ListShards of a stream in CREATING is a ResourceInUseException, which the KCL takes as "not yet"."""
    server = serve("--transition-delay", "600s")
    server.boto().create_stream(StreamName="new", ShardCount=1)
    code, text = KCL(Wire(server)).error("ListShards", StreamName="new")
    assert code == "ResourceInUseException" and text.endswith("not ACTIVE, instead in state CREATING")


def test_a_lease_that_ends_leads_to_its_children(kcl, stream):
    """API-T-7, API-T-8, API-R-5: after a split and after a merge, with all parents."""
    name = stream()
    for number in range(5):
        kcl("PutRecord", StreamName=name, Data=Blob(b"%d" % number), PartitionKey="k")
    kcl.split(name, shard_id(0), 2**127)
    kcl("MergeShards", StreamName=name, ShardToMerge=shard_id(1), AdjacentShardToMerge=shard_id(2))
    wait_active(kcl.wire.server.boto(), name)
    kcl("PutRecord", StreamName=name, Data=Blob(b"5"), PartitionKey="k")
    waiting, data, parents_of = [shard_id(0)], [], {}
    while waiting:
        shard = waiting.pop(0)
        records, last = kcl.read(name, shard)
        data += [record["Data"] for record in records]
        for child in last.get("ChildShards") or []:
            parents_of[child["ShardId"]] = child["ParentShards"]
            if child["ShardId"] not in waiting:
                waiting.append(child["ShardId"])
    assert data == [b"%d" % number for number in range(6)]
    assert parents_of == {
        shard_id(1): [shard_id(0)], shard_id(2): [shard_id(0)], shard_id(3): [shard_id(1), shard_id(2)]}


def test_sequence_numbers_pass_its_validator(kcl, stream):
    """API-Q-2: bit length 186, version 2 in the top nibble, the shard's index in bits 4 to 35."""
    name = stream(shards=3)
    for number in range(12):
        answer = kcl("PutRecord", StreamName=name, Data=Blob(b"x"), PartitionKey=f"{number}")
        value = int(answer["SequenceNumber"])
        assert value.bit_length() == 186 and value >> 184 == 2 and value & 15 == 2
        assert value >> 4 & 0xFFFFFFFF == int(answer["ShardId"][-12:])
        assert Number.parse(answer["SequenceNumber"]).shard == int(answer["ShardId"][-12:])


def test_a_checkpoint_goes_on_where_it_was(kcl, stream):
    """API-K-3, API-T-5: AFTER_SEQUENCE_NUMBER of each record, and AT after a restart."""
    name = stream()
    numbers = [
        kcl("PutRecord", StreamName=name, Data=Blob(b"%d" % i), PartitionKey="k")["SequenceNumber"] for i in range(3)]
    for place, number in enumerate(numbers):
        for kind, first in (("AT_SEQUENCE_NUMBER", place), ("AFTER_SEQUENCE_NUMBER", place + 1)):
            records, _ = kcl.read(name, shard_id(0), ShardIteratorType=kind, StartingSequenceNumber=number)
            assert [record["Data"] for record in records] == [b"%d" % i for i in range(first, 3)]


def test_a_time_is_read_in_milliseconds(kcl, stream):
    """API-B-2, API-S-3: AT_TIMESTAMP reads what arrived since, not nothing and not all."""
    name = stream()
    kcl("PutRecord", StreamName=name, Data=Blob(b"old"), PartitionKey="k")
    kcl("PutRecord", StreamName=name, Data=Blob(b"new"), PartitionKey="k")
    old, new = kcl.read(name, shard_id(0))[0]
    for start in (old, new):
        time = start["ApproximateArrivalTimestamp"]
        assert isinstance(time, cbor.Time)
        records, _ = kcl.read(name, shard_id(0), ShardIteratorType="AT_TIMESTAMP", Timestamp=time)
        assert start["SequenceNumber"] in [record["SequenceNumber"] for record in records]
        assert all(record["ApproximateArrivalTimestamp"] >= time for record in records)


def test_a_fan_out_consumer_is_registered_as_it_does_it(kcl, stream):
    """API-RegisterStreamConsumer-1: never a silent success for a name that is taken, and then there is one to describe."""
    name = stream()
    code, _ = kcl.error("DescribeStreamConsumer", StreamARN=arn(name), ConsumerName="app")
    assert code == "ResourceNotFoundException"
    made = kcl("RegisterStreamConsumer", StreamARN=arn(name), ConsumerName="app")["Consumer"]
    code, _ = kcl.error("RegisterStreamConsumer", StreamARN=arn(name), ConsumerName="app")
    assert code == "ResourceInUseException"

    def described():
        return kcl("DescribeStreamConsumer", StreamARN=arn(name), ConsumerName="app")["ConsumerDescription"]

    assert described()["ConsumerARN"] == made["ConsumerARN"]
    eventually(lambda: described()["ConsumerStatus"] == "ACTIVE", "the consumer is ACTIVE")
    assert isinstance(described()["ConsumerCreationTimestamp"], cbor.Time)


def test_a_fan_out_lease_reads_to_its_end(kcl, stream):
    """API-F-3, API-F-6, API-F-7: over HTTP/2; every event has its number but the last, which has children."""
    name = stream()
    consumer = kcl("RegisterStreamConsumer", StreamARN=arn(name), ConsumerName="app")["Consumer"]["ConsumerARN"]
    eventually(
        lambda: kcl("DescribeStreamConsumer", ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"]
        == "ACTIVE", "the consumer is ACTIVE")
    for number in range(3):
        kcl("PutRecord", StreamName=name, Data=Blob(b"%d" % number), PartitionKey="k")
    with Subscription(kcl.wire, {
        "ConsumerARN": consumer, "ShardId": shard_id(0), "StartingPosition": {"Type": "TRIM_HORIZON"}},
        "java", http2=True,
    ) as events:
        assert events.next().name == "initial-response"
        kcl.split(name, shard_id(0), 2**127)
        found = [message.value for message in events]
    *before, last = found
    assert [r["Data"] for event in found for r in event["Records"]] == [b"0", b"1", b"2"]
    assert all(event["ContinuationSequenceNumber"] for event in before)
    assert last.get("ContinuationSequenceNumber") is None and covers_all(last["ChildShards"])
    assert all(child["ParentShards"] == [shard_id(0)] for child in last["ChildShards"])


def test_members_that_newer_versions_send(kcl, stream):
    """API-S-1: StreamId is accepted and ignored beside the ARN."""
    name = stream()
    value = {"StreamARN": arn(name), "StreamId": "abcdefghij0123456789-abc"}
    assert kcl("ListShards", **value)["Shards"]
    assert kcl("GetShardIterator", ShardId=shard_id(0), ShardIteratorType="LATEST", **value)["ShardIterator"]
