"""What lies between the operations: two calls at once, limits of size, states, slow readers."""
import concurrent.futures

import boto3
import pytest

from support.server import ACCOUNT, eventually
from support.streams import arn, create, iterator, put, read_all, status, wait_active
from support.values import NOT_NULL, Number, refused, shard_id, violations
from support.wire import Blob, Subscription

SHARD = shard_id(0)


def test_two_creates_at_once(server):
    """API-CreateStream-5: exactly one succeeds."""
    client = server.boto(pool=8)

    def create_once(name):
        try:
            client.create_stream(StreamName=name, ShardCount=1)
            return "created"
        except client.exceptions.ResourceInUseException:
            return "refused"

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for round_ in range(10):
            results = sorted(pool.map(create_once, [f"race-{round_}"] * 8))
            assert results == ["created"] + ["refused"] * 7


def test_a_provisioned_stream_needs_a_count(kinesis):
    """API-CreateStream-1, API-CreateStream-4: and no more than the account may have."""
    with pytest.raises(kinesis.exceptions.ClientError) as error:
        kinesis.create_stream(StreamName="countless", StreamModeDetails={"StreamMode": "PROVISIONED"})
    assert error.value.response["Error"]["Code"] in ("InvalidArgumentException", "ValidationException")
    with refused("LimitExceededException"):
        kinesis.create_stream(StreamName="countless", ShardCount=100_001)
    assert "countless" not in kinesis.list_streams()["StreamNames"]


def test_warm_throughput_is_of_on_demand_streams(kinesis, stream):
    """API-CreateStream-7, API-UpdateStreamWarmThroughput-1."""
    with refused("ValidationException"):
        kinesis.create_stream(StreamName="warm", ShardCount=1, WarmThroughputMiBps=4)
    with refused("ValidationException"):
        kinesis.update_stream_warm_throughput(StreamName=stream(), WarmThroughputMiBps=4)
    name = create(kinesis, shards=None)
    with refused("ValidationException"):
        kinesis.update_stream_warm_throughput(StreamName=name, WarmThroughputMiBps=4)


def test_at_most_five_streams_are_being_created(serve):
    """API-L-5, API-C-1, API-DeleteStream-2: with a delay the states last; rates are enforced only when asked for."""
    kinesis = serve("--transition-delay", "600s", "--enforce-limits").boto()
    for number in range(5):
        kinesis.create_stream(StreamName=f"s{number}", ShardCount=1)
    with refused("ResourceInUseException"):
        kinesis.delete_stream(StreamName="s0")
    with refused("LimitExceededException"):
        kinesis.create_stream(StreamName="s5", ShardCount=1)
    assert [status(kinesis, f"s{number}") for number in range(5)] == ["CREATING"] * 5


def test_a_deleting_stream(serve):
    """API-C-4, API-DeleteStream-3, API-N-7: it is shown, its records are read, its name is not free."""
    first = serve(data="deleting")
    name = create(first.boto())
    put(first.boto(), name, b"x")
    first.stop()
    server = serve("--transition-delay", "600s", data="deleting")
    kinesis = server.boto()
    position = iterator(kinesis, name)
    kinesis.delete_stream(StreamName=name)
    assert status(kinesis, name) == "DELETING" and name in kinesis.list_streams()["StreamNames"]
    assert kinesis.describe_stream(StreamName=name)["StreamDescription"]["StreamStatus"] == "DELETING"
    with refused("ResourceInUseException", f"Stream {name} under account {ACCOUNT} already exists."):
        kinesis.create_stream(StreamName=name, ShardCount=1)
    with refused("ResourceNotFoundException", f"Stream {name} under account {ACCOUNT} not found."):
        put(kinesis, name, b"y")
    # Started again without a delay it is gone (API-C-1), and a waiting iterator has no shard.
    server.stop()
    kinesis = serve(data="deleting").boto()
    eventually(lambda: name not in kinesis.list_streams()["StreamNames"], "the stream is gone")
    with refused("ResourceNotFoundException", f"Shard {SHARD} in stream {name} under account {ACCOUNT} does not exist"):
        kinesis.get_records(ShardIterator=position)


def test_a_shorter_retention_where_it_is_allowed(serve):
    """API-Retention-7, API-Retention-1."""
    kinesis = serve("--min-retention", "1").boto()
    name = create(kinesis)
    kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=1)
    wait_active(kinesis, name)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["RetentionPeriodHours"] == 1


def test_the_sizes_of_one_call(kinesis, stream):
    """API-L-2: 500 records, and 10,000 of an answer."""
    name = stream()
    entry = {"Data": b"x", "PartitionKey": "k"}
    for _ in range(22):
        assert kinesis.put_records(StreamName=name, Records=[entry] * 500)["FailedRecordCount"] == 0
    answer = kinesis.get_records(ShardIterator=iterator(kinesis, name))
    assert len(answer["Records"]) == 10_000 and answer["MillisBehindLatest"] >= 0
    rest = kinesis.get_records(ShardIterator=answer["NextShardIterator"])
    assert len(rest["Records"]) == 1000 and rest["MillisBehindLatest"] == 0


def test_a_malformed_record_fails_the_whole_request(kinesis, wire, stream):
    """API-B-12, API-PutRecords-1, API-E-22: no error of one record, and nothing is written."""
    name = stream()
    good = {"Data": Blob(b"x"), "PartitionKey": "k"}
    for bad in (
        {"Data": Blob(b"x"), "PartitionKey": ""}, {"PartitionKey": "k"},
        {"Data": Blob(b"x"), "PartitionKey": "k" * 257}, {"Data": Blob(b"x"), "PartitionKey": "k", "ExplicitHashKey": "x"},
        {"Data": Blob(b"x"), "PartitionKey": "k", "ExplicitHashKey": str(2**128)},
        {"Data": Blob(bytes(1048577)), "PartitionKey": "k"},
    ):
        answer = wire.call("PutRecords", {"StreamName": name, "Records": [good, bad, good]})
        assert answer.status == 400 and "Records" not in answer.value
        if answer.error[0] == "ValidationException":
            assert all(".2.member." in text for text in violations(answer.error[1]))
    assert read_all(kinesis, iterator(kinesis, name))[0] == []


def test_a_name_is_not_required_by_validation(wire):
    """API-N-4: where an ARN may stand, a missing name is no violation."""
    code, text = wire.call("PutRecord", {"Data": Blob(b"")}).error
    if code == "ValidationException":
        assert violations(text) == {f"Value null at 'partitionKey' failed to satisfy constraint: {NOT_NULL}"}
    else:
        assert code == "InvalidArgumentException"


def test_an_empty_text_has_two_violations(wire):
    """API-E-25: of the pattern and of the length; patterns match the whole value."""
    _, text = wire.call("DescribeStream", {"StreamName": ""}).error
    assert len(violations(text)) == 2
    _, text = wire.call("DescribeStream", {"StreamName": "good name"}).error
    assert len(violations(text)) == 1


def test_numbers_of_an_old_version(kinesis, stream):
    """API-GetShardIterator-6, API-Q-6: the number 0 names no place of a stream."""
    name = stream()
    for text in ("0", "5"):
        with refused("InvalidArgumentException"):
            iterator(kinesis, name, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=text)


@pytest.mark.parametrize("kind", ["json", "cbor"])
def test_numbers_are_texts(wire, stream, kind):
    """API-S-6: sequence numbers and hash keys, in both formats."""
    name = stream()
    answer = wire.ask("PutRecord", {"StreamName": name, "Data": Blob(b"x"), "PartitionKey": "k"}, kind)
    assert Number.parse(answer["SequenceNumber"]).shard == 0
    (shard,) = wire.ask("ListShards", {"StreamName": name}, kind)["Shards"]
    assert shard["HashKeyRange"] == {"StartingHashKey": "0", "EndingHashKey": str(2**128 - 1)}
    assert isinstance(shard["SequenceNumberRange"]["StartingSequenceNumber"], str)
    code, _ = wire.call("SplitShard", {"StreamName": name, "ShardToSplit": "0", "NewStartingHashKey": 5}, kind).error
    assert code == "SerializationException"


def test_no_answer_is_empty_where_there_are_records(kinesis, stream):
    """API-T-10, API-K-6: also when it is asked again and again."""
    name = stream()
    position = iterator(kinesis, name)
    for number in range(50):
        put(kinesis, name, b"%d" % number)
        for _ in range(2):
            answer = kinesis.get_records(ShardIterator=position, Limit=1)
            assert [record["Data"] for record in answer["Records"]] == [b"%d" % number]
        position = answer["NextShardIterator"]


def test_the_protocol_is_the_one_of_the_model(kinesis):
    """API-P-3: JSON 1.1, signed with version 4, one target prefix; another protocol would have to be listed."""
    metadata = kinesis.meta.service_model.metadata
    assert metadata["protocols"] == ["json"] and metadata["jsonVersion"] == "1.1"
    assert metadata["targetPrefix"] == "Kinesis_20131202" and metadata["signatureVersion"] == "v4"
    assert metadata["protocolSettings"] == {"h2": "eventstream"}
    streams = boto3.client("dynamodbstreams", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    assert streams.meta.service_model.metadata["protocols"] == ["json"]


@pytest.mark.parametrize("http2", [False, True])
def test_a_subscriber_that_does_not_read(serve, http2):
    """API-F-10: what it has not read is no memory of the server; later it gets all."""
    from support.wire import Wire

    server = serve("--no-subscribe-guard")
    kinesis = server.boto()
    name = create(kinesis)
    consumer = kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName="c")["Consumer"]["ConsumerARN"]
    eventually(
        lambda: kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"]
        == "ACTIVE", "the consumer is ACTIVE")
    value = {"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}}
    with Subscription(Wire(server), value, "cbor", http2) as events:
        assert events.next().name == "initial-response"
        before = server.resident()
        entry = {"Data": bytes(250_000), "PartitionKey": "k"}
        for _ in range(16):
            kinesis.put_records(StreamName=name, Records=[entry] * 32)
        assert server.resident() - before < 300 << 20
        found = 0
        while found < 16 * 32:
            found += len(events.next().value["Records"])
    assert server.is_running()
