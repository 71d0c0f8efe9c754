"""Iterators, and GetRecords with boto3: where a reader begins, what it gets, where it ends."""
import datetime
import re
import time

import pytest

from support.cbor import Time
from support.server import ACCOUNT
from support.streams import arn, create, iterator, put, read_all, shards_of, wait_active
from support.values import Number, covers_all, hash_range, is_open, refused, shard_id

SHARD = shard_id(0)


def data_of(kinesis, position):
    return [record["Data"] for record in read_all(kinesis, position)[0]]


def numbers_of(answers):
    return [answer["SequenceNumber"] for answer in answers]


def missing_shard(shard, name):
    return f"Shard {shard} in stream {name} under account {ACCOUNT} does not exist"


def split(kinesis, name, shard=SHARD, at=2**127):
    kinesis.split_shard(StreamName=name, ShardToSplit=shard, NewStartingHashKey=str(at))
    wait_active(kinesis, name)


# Where a reader begins


def test_the_horizon_is_the_oldest_record(kinesis, stream):
    """API-T-2."""
    name = stream()
    position = iterator(kinesis, name)
    put(kinesis, name, b"1", b"2")
    assert data_of(kinesis, position) == [b"1", b"2"]


def test_latest_is_where_the_shard_ended_when_the_iterator_was_made(kinesis, stream):
    """API-T-3 and API-B-3: nothing put before, everything put after, however late GetRecords is called."""
    name = stream()
    for round_ in range(20):
        put(kinesis, name, b"before")
        position = iterator(kinesis, name, kind="LATEST")
        put(kinesis, name, b"%d" % round_, b"after")
        assert data_of(kinesis, position) == [b"%d" % round_, b"after"]


def test_numbers_name_positions(kinesis, stream):
    """API-T-5: at and after each record, the shard's start, and a number that no record has yet."""
    name = stream()
    answers = put(kinesis, name, *(b"%d" % i for i in range(5)))
    for place, number in enumerate(numbers_of(answers)):
        at = iterator(kinesis, name, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=number)
        after = iterator(kinesis, name, kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=number)
        assert data_of(kinesis, at) == [b"%d" % i for i in range(place, 5)]
        assert data_of(kinesis, after) == [b"%d" % i for i in range(place + 1, 5)]
    last = Number.parse(numbers_of(answers)[-1])
    beyond = Number(last.created, last.index + 1000, last.arrived, 0).text
    position = iterator(kinesis, name, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=beyond)
    assert data_of(kinesis, position) == []
    # Between two records: the index alone is compared first (API-Q-3).
    between = Number(last.created, last.index, 0, 0).text
    position = iterator(kinesis, name, kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=between)
    assert data_of(kinesis, position) == [b"4"]


def test_the_start_that_is_advertised_is_accepted_for_every_shard(kinesis, stream):
    """API-T-5 and API-B-11: also of shards after the first, and of children."""
    name = stream(shards=3)
    split(kinesis, name, at=2**120)
    for shard in shards_of(kinesis, name):
        start = shard["SequenceNumberRange"]["StartingSequenceNumber"]
        low = str(hash_range(shard)[0])
        if is_open(shard):
            put(kinesis, name, b"first", ExplicitHashKey=low)
        for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
            position = iterator(kinesis, name, shard["ShardId"], kind, StartingSequenceNumber=start)
            assert data_of(kinesis, position) == ([b"first"] if is_open(shard) else [])


def test_the_end_that_is_advertised(kinesis, stream):
    """API-GetShardIterator-10 and API-B-11: after it is an error that names the end, at it is the end."""
    name = stream()
    put(kinesis, name, b"1")
    split(kinesis, name)
    end = shards_of(kinesis, name)[0]["SequenceNumberRange"]["EndingSequenceNumber"]
    with refused(
        "InvalidArgumentException",
        "Invalid SequenceNumber for ShardIteratorType AFTER_SEQUENCE_NUMBER, SequenceNumber has reached max possible "
        "value for the shard.",
    ):
        iterator(kinesis, name, kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=end)
    position = iterator(kinesis, name, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=end)
    answer = kinesis.get_records(ShardIterator=position)
    assert answer["Records"] == [] and "NextShardIterator" not in answer and len(answer["ChildShards"]) == 2


def at_time(wire, name, milliseconds):
    """By our own request: boto3 cuts times to seconds."""
    return wire.ask("GetShardIterator", {
        "StreamName": name, "ShardId": SHARD, "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": Time(milliseconds)
    })["ShardIterator"]


def milliseconds(when):
    return round(when.timestamp() * 1000)


def test_times_name_positions(kinesis, wire, stream):
    """API-T-4: the first record that arrived at or after the time."""
    name = stream()
    for number in range(4):
        put(kinesis, name, b"%d" % number)
        time.sleep(0.02)
    records, _ = read_all(kinesis, iterator(kinesis, name))
    arrivals = [milliseconds(record["ApproximateArrivalTimestamp"]) for record in records]
    assert arrivals == sorted(set(arrivals))
    for place, arrival in enumerate(arrivals):
        assert data_of(kinesis, at_time(wire, name, arrival)) == [b"%d" % i for i in range(place, 4)]
        assert data_of(kinesis, at_time(wire, name, arrival + 1)) == [b"%d" % i for i in range(place + 1, 4)]
    assert len(data_of(kinesis, at_time(wire, name, 1_000_000_000_000))) == 4
    old = iterator(kinesis, name, kind="AT_TIMESTAMP", Timestamp=datetime.datetime(2001, 1, 1))
    assert len(data_of(kinesis, old)) == 4


def test_a_time_on_an_empty_shard_or_after_the_last_record_is_answered(kinesis, wire, stream):
    """API-T-4 and API-B-14."""
    name = stream()
    answer = kinesis.get_records(ShardIterator=at_time(wire, name, int(time.time() * 1000)))
    assert answer["Records"] == [] and answer["MillisBehindLatest"] == 0 and answer["NextShardIterator"]
    put(kinesis, name, b"old")
    time.sleep(0.02)
    position = at_time(wire, name, int(time.time() * 1000))
    assert data_of(kinesis, position) == []
    put(kinesis, name, b"new")
    assert data_of(kinesis, position) == [b"new"]


def test_arguments_that_contradict_each_other(kinesis, stream):
    """API-GetShardIterator-3."""
    name = stream()
    (number,) = numbers_of(put(kinesis, name, b"x"))
    text = (
        "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) "
        "TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {} and {} StartingSequenceNumber.")
    for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        with refused("InvalidArgumentException", text.format(kind, "no")):
            iterator(kinesis, name, kind=kind)
    for kind in ("TRIM_HORIZON", "LATEST"):
        with refused("InvalidArgumentException", text.format(kind, "also a")):
            iterator(kinesis, name, kind=kind, StartingSequenceNumber=number)
    # A time with other types is ignored (API-GetShardIterator-9).
    past = datetime.datetime(2001, 1, 1)
    assert data_of(kinesis, iterator(kinesis, name, Timestamp=past)) == [b"x"]


def test_shards_that_are_not_there(kinesis, stream):
    """API-GetShardIterator-1, API-GetShardIterator-2, API-N-6."""
    name = stream()
    with refused("ResourceNotFoundException", missing_shard(shard_id(5), name)):
        iterator(kinesis, name, shard_id(5))
    with refused("ResourceNotFoundException", missing_shard(SHARD, "nowhere")):
        iterator(kinesis, "nowhere")
    for shard in ("none", "shardId-x", "shardId-", "shardId-2147483648"):
        with refused("ResourceNotFoundException", f"Could not find shard {shard} in stream {name} under account {ACCOUNT}."):
            iterator(kinesis, name, shard)


@pytest.mark.parametrize("shard", ["0", "shard-0", "x-000", "shardId-0", "shardId-000000000000-rest", "000"])
def test_shards_are_named_leniently(kinesis, stream, shard):
    """API-N-6: the number between the first and the second hyphen, or the whole text."""
    name = stream()
    put(kinesis, name, b"x")
    assert data_of(kinesis, iterator(kinesis, name, shard)) == [b"x"]


def test_numbers_that_are_none(kinesis, stream):
    """API-GetShardIterator-4, API-Q-6."""
    name = stream()
    (number,) = numbers_of(put(kinesis, name, b"x"))
    good = Number.parse(number)
    bad = [
        str(2**186), str(int(number) - 1), str(2**124 + 3),
        str(int(number) | 15), Number(16025175000, 1, 0, 0).text, str(int(number) | 1 << 143),
    ]
    for text in bad:
        with refused(
            "InvalidArgumentException",
            re.compile(
                re.escape(
                    f"StartingSequenceNumber {text} used in GetShardIterator on shard {SHARD} in stream {name} under "
                    f"account {ACCOUNT} is invalid") + r"(\.| because it did not come from this stream\.)"),
        ):
            iterator(kinesis, name, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=text)
    # A number of another stream of this name (API-GetShardIterator-7, API-Q-8).
    foreign = Number(good.created - 100, 1, good.arrived, 0).text
    with refused(
        "InvalidArgumentException",
        f"StartingSequenceNumber {foreign} used in GetShardIterator on shard {SHARD} in stream {name} under account "
        f"{ACCOUNT} is invalid because it did not come from this stream.",
    ):
        iterator(kinesis, name, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=foreign)


def test_a_number_of_another_shard(kinesis, stream):
    """API-GetShardIterator-5."""
    name = stream(shards=2)
    (answer,) = put(kinesis, name, b"x", ExplicitHashKey=str(2**127))
    assert answer["ShardId"] == shard_id(1)
    for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        with refused(
            "InvalidArgumentException",
            f"Invalid StartingSequenceNumber. It encodes {shard_id(1)}, while it was used in a call to a shard with "
            f"{shard_id(0)}",
        ):
            iterator(kinesis, name, kind=kind, StartingSequenceNumber=answer["SequenceNumber"])


def test_numbers_of_a_deleted_stream_are_foreign_to_the_next(kinesis, stream):
    """API-GetShardIterator-7, API-GetRecords-4, API-Q-8."""
    name = stream()
    (answer,) = put(kinesis, name, b"old")
    position = iterator(kinesis, name)
    kinesis.delete_stream(StreamName=name)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    with refused("ResourceNotFoundException", missing_shard(SHARD, name)):
        kinesis.get_records(ShardIterator=position)
    create(kinesis, name=name)
    with refused("ResourceNotFoundException"):
        kinesis.get_records(ShardIterator=position)
    number = answer["SequenceNumber"]
    with refused(
        "InvalidArgumentException",
        f"StartingSequenceNumber {number} used in GetShardIterator on shard {SHARD} in stream {name} under account "
        f"{ACCOUNT} is invalid because it did not come from this stream.",
    ):
        iterator(kinesis, name, kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=number)
    assert data_of(kinesis, iterator(kinesis, name)) == []


def test_times_that_can_not_be(kinesis, stream):
    """API-GetShardIterator-8, API-GetShardIterator-9."""
    name = stream()
    with refused(
        "InvalidArgumentException",
        "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp "
        "parameter.",
    ):
        iterator(kinesis, name, kind="AT_TIMESTAMP")
    future = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(hours=1)
    millis = int(future.timestamp()) * 1000
    with refused(
        "InvalidArgumentException",
        re.compile(
            r"The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: "
            rf"{millis}, currentTimestampInMillis: \d{{13}}"),
    ):
        iterator(kinesis, name, kind="AT_TIMESTAMP", Timestamp=future)


# What a reader gets


def test_an_iterator_is_opaque_and_different_each_time(kinesis, stream):
    """API-T-1: base64 of at most 512 characters; the same position gives other texts, each used any number of times."""
    name = stream()
    put(kinesis, name, b"1", b"2")
    first = iterator(kinesis, name)
    time.sleep(0.005)
    second = iterator(kinesis, name)
    assert first != second
    for position in (first, second):
        assert re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", position) and len(position) <= 512
        for _ in range(3):
            assert data_of(kinesis, position) == [b"1", b"2"]
    put(kinesis, name, b"3")
    assert data_of(kinesis, first) == [b"1", b"2", b"3"]


def test_texts_that_are_no_iterators(kinesis, stream):
    """API-GetRecords-1; an iterator with one character changed is none either (API-T-1)."""
    name = stream()
    position = iterator(kinesis, name)
    changed = [
        position[:place] + ("A" if position[place] != "A" else "B") + position[place + 1:]
        for place in range(0, len(position.rstrip("=")), 7)]
    for text in ["x", "AAAA", "a" * 512, position[:-4], position + "AAAA", position.lower(), *changed]:
        with refused("InvalidArgumentException", "Invalid ShardIterator."):
            kinesis.get_records(ShardIterator=text)


def test_the_stream_of_an_iterator_is_checked(kinesis, stream):
    """API-GetRecords-2."""
    name, other = stream(), stream()
    position = iterator(kinesis, name)
    kinesis.get_records(ShardIterator=position, StreamARN=arn(name))
    with refused("InvalidArgumentException"):
        kinesis.get_records(ShardIterator=position, StreamARN=arn(other))


def test_each_answer_begins_where_the_last_one_ended(kinesis, stream):
    """API-B-5, API-B-6 and API-GetRecords-5: no record twice, none left out, and a new iterator with every answer."""
    name = stream()
    answers = kinesis.put_records(
        StreamName=name, Records=[{"Data": b"%d" % i, "PartitionKey": "k"} for i in range(500)])["Records"]
    position, found, seen = iterator(kinesis, name), [], set()
    while len(found) < 500:
        answer = kinesis.get_records(ShardIterator=position, Limit=7)
        assert 0 < len(answer["Records"]) <= 7
        found += answer["Records"]
        position = answer["NextShardIterator"]
        assert position not in seen
        seen.add(position)
        if len(found) % 140 == 0:
            assert answer["MillisBehindLatest"] >= 0
    assert numbers_of(found) == numbers_of(answers)
    # Without records the position stays, its text does not (API-T-1).
    texts = {position}
    for _ in range(3):
        time.sleep(0.005)
        answer = kinesis.get_records(ShardIterator=position)
        assert answer["Records"] == [] and answer["MillisBehindLatest"] == 0
        position = answer["NextShardIterator"]
        texts.add(position)
    assert len(texts) == 4
    put(kinesis, name, b"one more")
    assert data_of(kinesis, position) == [b"one more"]


def test_the_lag_is_a_time(kinesis, stream):
    """API-T-9 and API-B-7: 0 at the tip, else milliseconds since the last returned record arrived; it grows."""
    name = stream()
    kinesis.put_records(
        StreamName=name, Records=[{"Data": b"%d" % i, "PartitionKey": "k"} for i in range(3)])
    first = iterator(kinesis, name)
    time.sleep(0.1)
    began = time.time()
    answer = kinesis.get_records(ShardIterator=first, Limit=1)
    arrived = answer["Records"][0]["ApproximateArrivalTimestamp"].timestamp()
    took = time.time() - began
    lag = answer["MillisBehindLatest"] / 1000
    assert began - arrived - 0.01 <= lag <= began - arrived + took + 0.01
    time.sleep(0.05)
    assert kinesis.get_records(ShardIterator=first, Limit=1)["MillisBehindLatest"] >= answer["MillisBehindLatest"] + 40
    assert kinesis.get_records(ShardIterator=first)["MillisBehindLatest"] == 0


def test_an_answer_holds_at_most_ten_mebibytes(kinesis):
    """API-T-6: and at least one record."""
    name = create(kinesis, MaxRecordSizeInKiB=10240)
    for size in (4, 4, 4, 10):
        put(kinesis, name, bytes(size * 1048576))
    position, sizes = iterator(kinesis, name), []
    while len(sizes) < 4:
        answer = kinesis.get_records(ShardIterator=position)
        total = sum(len(record["Data"]) for record in answer["Records"])
        assert answer["Records"] and (total <= 10485760 or len(answer["Records"]) == 1)
        sizes += [len(record["Data"]) // 1048576 for record in answer["Records"]]
        position = answer["NextShardIterator"]
    assert sizes == [4, 4, 4, 10]


def test_data_and_keys_come_back_as_they_were(kinesis, stream):
    """API-S-2, API-PutRecord-5: every byte, no bytes, keys of any characters and up to 256 of them."""
    name = stream()
    keys = ["k", "ü", "日本", "😀", "a b\"\\\n\t\u0001", "x" * 256, "ü" * 256]
    for key in keys:
        put(kinesis, name, bytes(range(256)), b"", key=key)
    records, _ = read_all(kinesis, iterator(kinesis, name))
    assert [(record["Data"], record["PartitionKey"]) for record in records] == [
        item for key in keys for item in ((bytes(range(256)), key), (b"", key))]


def test_a_drained_closed_shard_ends_with_its_children(kinesis, stream):
    """API-T-7, API-T-8 and API-B-4: after a split, and after a merge with both parents."""
    name = stream()
    put(kinesis, name, b"1", b"2", b"3")
    waiting = iterator(kinesis, name, kind="LATEST")
    split(kinesis, name)
    records, last = read_all(kinesis, iterator(kinesis, name), limit=1)
    assert [record["Data"] for record in records] == [b"1", b"2", b"3"]
    assert "NextShardIterator" not in last
    children = last["ChildShards"]
    assert [(child["ShardId"], child["ParentShards"]) for child in children] == [
        (shard_id(1), [SHARD]), (shard_id(2), [SHARD])]
    assert covers_all(children)
    answer = kinesis.get_records(ShardIterator=waiting)
    assert answer["Records"] == [] and "NextShardIterator" not in answer and answer["ChildShards"] == children
    # API-GetShardIterator-11: an iterator of a closed shard is given, and ends at once.
    answer = kinesis.get_records(ShardIterator=iterator(kinesis, name, kind="LATEST"))
    assert answer["Records"] == [] and "NextShardIterator" not in answer
    kinesis.merge_shards(StreamName=name, ShardToMerge=shard_id(1), AdjacentShardToMerge=shard_id(2))
    wait_active(kinesis, name)
    for shard in (shard_id(1), shard_id(2)):
        _, last = read_all(kinesis, iterator(kinesis, name, shard))
        assert "NextShardIterator" not in last
        (child,) = last["ChildShards"]
        assert child["ShardId"] == shard_id(3) and set(child["ParentShards"]) == {shard_id(1), shard_id(2)}
        assert hash_range(child) == (0, 2**128 - 1)


def test_records_before_the_end_of_a_closed_shard_have_no_children_yet(kinesis, stream):
    """API-T-8: ChildShards stands only where NextShardIterator is missing."""
    name = stream()
    put(kinesis, name, *(b"%d" % i for i in range(5)))
    split(kinesis, name)
    position = iterator(kinesis, name)
    for _ in range(20):
        answer = kinesis.get_records(ShardIterator=position, Limit=2)
        assert ("ChildShards" in answer) == ("NextShardIterator" not in answer)
        position = answer.get("NextShardIterator")
        if not position:
            break
    assert position is None and answer["ChildShards"]
