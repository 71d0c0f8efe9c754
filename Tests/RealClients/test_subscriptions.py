"""SubscribeToShard: boto3's event stream, and the frames themselves in both formats."""
import threading
import time

import pytest

from support import cbor
from support.server import ACCOUNT, eventually
from support.streams import arn, create, put, wait_active
from support.values import covers_all, refused, shard_id
from support.wire import CBOR, JSON, Subscription, Wire

SHARD = shard_id(0)
HORIZON = {"Type": "TRIM_HORIZON"}


def register(kinesis, name, consumer="c"):
    """A consumer that is ACTIVE; its ARN."""
    made = kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName=consumer)["Consumer"]["ConsumerARN"]
    eventually(
        lambda: kinesis.describe_stream_consumer(ConsumerARN=made)["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE",
        "the consumer is ACTIVE")
    return made


def subscribe(kinesis, consumer, shard=SHARD, **position):
    return kinesis.subscribe_to_shard(
        ConsumerARN=consumer, ShardId=shard, StartingPosition=position or HORIZON)["EventStream"]


def events_until(events, count):
    """The events up to that with the count-th record."""
    found, records = [], []
    while len(records) < count:
        event = next(events)["SubscribeToShardEvent"]
        found.append(event)
        records += event["Records"]
    return found, records


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Tests that subscribe again at once do not wait for five seconds (API-SubscribeToShard-2)."""
    from support.server import Server

    with Server(tmp_path_factory.mktemp("server") / "store", "--no-subscribe-guard") as server:
        yield server


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("kind", ["json", "cbor", "java"])
def test_frames_as_clients_read_them(kinesis, wire, stream, kind, http2):
    """API-F-1 to API-F-4, API-F-6, API-S-3, API-B-2, API-B-10: HTTP/1.1 and HTTP/2, JSON and CBOR."""
    name = stream()
    consumer = register(kinesis, name)
    began = time.time()
    (first,) = put(kinesis, name, b"\x00one")
    content = JSON if kind == "json" else CBOR
    with Subscription(wire, {
        "ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": HORIZON}, kind, http2) as events:
        assert events.status == 200 and events.headers["content-type"] == "application/vnd.amazon.eventstream"
        assert "content-length" not in events.headers and events.headers["x-amzn-requestid"]
        if http2:
            assert events.version == "HTTP/2"
        message = events.next()
        assert message.headers == {
            ":message-type": "event", ":event-type": "initial-response", ":content-type": content}
        assert message.value == {} and message.payload == (b"{}" if kind == "json" else b"\xa0")
        message = events.next()
        while not message.value["Records"]:
            message = events.next()
        assert message.headers == {
            ":message-type": "event", ":event-type": "SubscribeToShardEvent", ":content-type": content}
        event = message.value
        (record,) = event["Records"]
        assert record["SequenceNumber"] == first["SequenceNumber"] == event["ContinuationSequenceNumber"]
        assert record["PartitionKey"] == "key" and "EncryptionType" not in record and "ChildShards" not in event
        assert event["MillisBehindLatest"] == 0
        arrived = cbor.seconds(record["ApproximateArrivalTimestamp"])
        assert isinstance(record["ApproximateArrivalTimestamp"], cbor.Time) == (kind != "json")
        assert abs(arrived - began) < 60
        assert record["Data"] == (b"\x00one" if kind != "json" else "AG9uZQ==")
        put(kinesis, name, b"two")
        message = events.next()
        while not message.value["Records"]:
            message = events.next()
        assert len(message.value["Records"]) == 1


def test_every_starting_position(kinesis, stream):
    """API-B-10, API-SubscribeToShard-1 and the iterators' rules: each type begins where an iterator would."""
    name = stream()
    consumer = register(kinesis, name)
    answers = put(kinesis, name, b"0", b"1", b"2")
    number = answers[1]["SequenceNumber"]
    long_ago = "2001-01-01T00:00:00Z"
    for position, first in (
        ({"Type": "TRIM_HORIZON"}, b"0"), ({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": number}, b"1"),
        ({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number}, b"2"),
        ({"Type": "AT_TIMESTAMP", "Timestamp": long_ago}, b"0"), ({"Type": "LATEST"}, b"new"),
    ):
        stream_ = subscribe(kinesis, consumer, **position)
        put(kinesis, name, b"new")
        _, records = events_until(iter(stream_), 1)
        assert records[0]["Data"] == first, position
        stream_.close()


def test_positions_that_can_not_be(kinesis, stream):
    """API-F-5: plain errors before any stream begins, with the texts of GetShardIterator."""
    name = stream()
    consumer = register(kinesis, name)
    with refused("ResourceNotFoundException", f"Shard {shard_id(9)} in stream {name} under account {ACCOUNT} does not exist"):
        subscribe(kinesis, consumer, shard_id(9))
    with refused("InvalidArgumentException"):
        subscribe(kinesis, consumer, Type="AT_SEQUENCE_NUMBER")
    with refused("InvalidArgumentException"):
        subscribe(kinesis, consumer, Type="AT_TIMESTAMP")
    with refused("ResourceNotFoundException"):
        subscribe(kinesis, f"{arn(name)}/consumer/other:1")


def test_a_client_that_reconnects_misses_nothing(kinesis, stream):
    """API-F-6: after the continuation's number come the next records; at it the last one again."""
    name = stream()
    consumer = register(kinesis, name)
    put(kinesis, name, *(b"%d" % i for i in range(10)))
    data, position = [], HORIZON
    while len(data) < 10:
        stream_ = subscribe(kinesis, consumer, **position)
        events, records = events_until(iter(stream_), 1)
        stream_.close()
        data += [record["Data"] for record in records]
        position = {
            "Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": events[-1]["ContinuationSequenceNumber"]}
        put(kinesis, name, b"%d" % (10 + len(data)))
    assert data[:10] == [b"%d" % i for i in range(10)]
    stream_ = subscribe(kinesis, consumer, Type="AT_SEQUENCE_NUMBER", SequenceNumber=position["SequenceNumber"])
    _, records = events_until(iter(stream_), 1)
    stream_.close()
    assert records[0]["SequenceNumber"] == position["SequenceNumber"]


@pytest.mark.parametrize("before", [0, 2])
def test_an_idle_subscription_sends_empty_events(kinesis, stream, before):
    """API-F-6, API-F-8, API-B-18: within the clients' ten seconds, with a number from which both AT and AFTER go on with
    the next record, and a LATEST subscription doesn't repeat the record before it."""
    name = stream()
    consumer = register(kinesis, name)
    put(kinesis, name, *[b"before"] * before)
    stream_ = subscribe(kinesis, consumer, Type="LATEST")
    event = next(iter(stream_))["SubscribeToShardEvent"]
    stream_.close()
    assert event["Records"] == [] and event["MillisBehindLatest"] == 0 and "ChildShards" not in event
    (answer,) = put(kinesis, name, b"next")
    for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        stream_ = subscribe(kinesis, consumer, Type=kind, SequenceNumber=event["ContinuationSequenceNumber"])
        _, records = events_until(iter(stream_), 1)
        stream_.close()
        assert [record["SequenceNumber"] for record in records] == [answer["SequenceNumber"]], kind


def test_large_records_come_in_several_events(kinesis):
    """API-F-8: at most a mebibyte an event, unless one record is larger."""
    name = create(kinesis, MaxRecordSizeInKiB=10240)
    consumer = register(kinesis, name)
    sizes = [400_000, 400_000, 400_000, 3_000_000, 10, 400_000]
    put(kinesis, name, *map(bytes, sizes))
    stream_ = subscribe(kinesis, consumer)
    events, records = events_until(iter(stream_), len(sizes))
    stream_.close()
    assert [len(record["Data"]) for record in records] == sizes
    for event in events:
        assert sum(len(record["Data"]) for record in event["Records"]) <= 1048576 or len(event["Records"]) == 1


@pytest.mark.parametrize("kind", ["json", "cbor"])
def test_the_end_of_a_closed_shard(kinesis, wire, stream, kind):
    """API-F-7, API-T-8: one last event, without a continuation and with children; then the stream ends normally."""
    name = stream()
    consumer = register(kinesis, name)
    put(kinesis, name, b"last")
    with Subscription(wire, {
        "ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": HORIZON}, kind) as events:
        assert events.next().name == "initial-response"
        kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey=str(2**127))
        found = [message.value for message in events]
    *before, last = found
    assert sum(len(event["Records"]) for event in found) == 1
    assert all(event["ContinuationSequenceNumber"] and "ChildShards" not in event for event in before)
    assert "ContinuationSequenceNumber" not in last
    assert [child["ParentShards"] for child in last["ChildShards"]] == [[SHARD], [SHARD]]
    assert covers_all(last["ChildShards"])
    # A subscription to what is closed and read ends at once.
    with Subscription(wire, {
        "ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "LATEST"}}, kind) as events:
        assert events.next().name == "initial-response"
        (only,) = [message.value for message in events]
    assert only["Records"] == [] and only["ChildShards"] == last["ChildShards"]


def test_boto3_reads_to_the_end_of_a_shard(kinesis, stream):
    """API-F-7: botocore accepts that the last event has no continuation."""
    name = stream()
    consumer = register(kinesis, name)
    put(kinesis, name, b"1", b"2")
    kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey="5")
    events = [event["SubscribeToShardEvent"] for event in subscribe(kinesis, consumer)]
    assert [record["Data"] for event in events for record in event["Records"]] == [b"1", b"2"]
    assert len(events[-1]["ChildShards"]) == 2


def test_two_subscriptions_within_five_seconds(serve):
    """API-SubscribeToShard-2, API-B-20: refused for the same consumer and shard, not for others; also where the first was
    closed by its client."""
    server = serve()
    kinesis = server.boto()
    name = create(kinesis, shards=2)
    consumer, other = register(kinesis, name), register(kinesis, name, "other")
    text = f"Another active subscription exists for this consumer: {ACCOUNT}:{name}:{SHARD}:c"
    began = time.monotonic()
    first = subscribe(kinesis, consumer)
    subscribe(kinesis, consumer, shard_id(1)).close()
    subscribe(kinesis, other).close()
    for _ in range(2):
        try:
            with refused("ResourceInUseException", text):
                subscribe(kinesis, consumer)
        except AssertionError:
            # Five seconds later it is allowed: a machine may be that slow.
            assert time.monotonic() - began > 4.9
        first.close()


def test_a_later_subscription_takes_over(kinesis, wire, stream):
    """API-SubscribeToShard-2: the old stream gets an exception event and ends."""
    name = stream()
    consumer = register(kinesis, name)
    value = {"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": HORIZON}
    with Subscription(wire, value) as old, Subscription(wire, value) as new:
        assert old.next().name == "initial-response" and new.next().name == "initial-response"
        *_, last = list(old)
        assert last.headers[":message-type"] == "exception"
        assert last.headers[":exception-type"] == "ResourceInUseException"
        assert last.value == {
            "message": f"Another active subscription exists for this consumer: {ACCOUNT}:{name}:{SHARD}:c"}
        put(kinesis, name, b"for the new one")
        while not (message := new.next()).value["Records"]:
            pass
        assert message.headers[":message-type"] == "event"


@pytest.mark.parametrize("how", ["deregister", "delete"])
def test_what_ends_a_subscription(kinesis, wire, stream, how):
    """API-F-9, API-DeleteStream-1: an exception event ResourceNotFoundException, and the end."""
    name = stream()
    consumer = register(kinesis, name)
    with Subscription(wire, {
        "ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": HORIZON}, "cbor") as events:
        assert events.next().name == "initial-response"
        if how == "deregister":
            kinesis.deregister_stream_consumer(ConsumerARN=consumer)
        else:
            kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
        *_, last = list(events)
    assert last.headers[":message-type"] == "exception"
    assert last.headers[":exception-type"] == "ResourceNotFoundException" and last.value["message"]


def test_a_shutdown_ends_subscriptions_normally(serve):
    """API-F-9: after a whole event, without an exception; the server ends with 0."""
    server = serve()
    kinesis = server.boto()
    name = create(kinesis)
    consumer = register(kinesis, name)
    with Subscription(Wire(server), {
        "ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": HORIZON}) as events:
        assert events.next().name == "initial-response"
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        assert all(message.headers[":message-type"] == "event" for message in events)
        stopper.join()


def test_a_consumer_registered_again_is_another(kinesis, stream):
    """API-RegisterStreamConsumer-2, API-N-2: another ARN, though within a second."""
    name = stream()
    first = register(kinesis, name)
    kinesis.deregister_stream_consumer(ConsumerARN=first)

    def again():
        try:
            return register(kinesis, name)
        except kinesis.exceptions.ResourceInUseException:
            return None

    second = eventually(again, "the name is free")
    assert second != first and int(second.rsplit(":", 1)[1]) > int(first.rsplit(":", 1)[1])
    with refused("ResourceNotFoundException"):
        subscribe(kinesis, first)


def test_many_consumers_of_one_shard(server, kinesis, stream):
    """API-F-11: each gets every record, in order."""
    name = stream()
    consumers = [register(kinesis, name, f"c{i}") for i in range(10)]
    client = server.boto(pool=20)
    streams = [subscribe(client, consumer) for consumer in consumers]
    answer = kinesis.put_records(
        StreamName=name, Records=[{"Data": b"%d" % i, "PartitionKey": "k"} for i in range(300)])
    for stream_ in streams:
        _, records = events_until(iter(stream_), 300)
        assert [r["SequenceNumber"] for r in records] == [r["SequenceNumber"] for r in answer["Records"]]
        stream_.close()
    wait_active(kinesis, name)
