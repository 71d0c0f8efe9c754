"""What depends on the time: the server's clock is moved, nothing waits."""
import re

import pytest

from support.server import ACCOUNT, eventually
from support.streams import arn, create, iterator, put, read_all, shards_of, wait_active
from support.values import Number, covers_all, is_open, refused, shard_id

SHARD = shard_id(0)
HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def server(serve, clock):
    return serve(clock=clock)


@pytest.fixture
def kinesis(server):
    return server.boto()


def test_an_iterator_is_valid_for_five_minutes(clock, kinesis, stream):
    """API-GetRecords-3, API-T-1."""
    name = stream()
    put(kinesis, name, b"x")
    position = iterator(kinesis, name)
    clock.move_to(200)
    answer = kinesis.get_records(ShardIterator=position)
    assert len(answer["Records"]) == 1
    clock.move_to(400)
    when = r"\w{3} \w{3} \d{2} \d{2}:\d{2}:\d{2} UTC \d{4}"
    with refused("ExpiredIteratorException", re.compile(
            f"Iterator expired. The iterator was created at time {when} while right now it is {when} which is further "
            "in the future than the tolerated delay of 300000 milliseconds.")):
        kinesis.get_records(ShardIterator=position)
    # An idle reader's next iterator is as young as its answer (API-B-6).
    position = answer["NextShardIterator"]
    for minutes in range(7, 40, 3):
        answer = kinesis.get_records(ShardIterator=position)
        assert answer["Records"] == []
        position = answer["NextShardIterator"]
        clock.move_to(minutes * 60)


def test_a_token_is_valid_for_five_minutes(clock, kinesis, stream):
    """API-ListShards-4; ListStreamConsumers and ListStreams likewise."""
    name = stream(shards=2)
    create(kinesis)
    for consumer in ("a", "b"):
        kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName=consumer)
    shards = kinesis.list_shards(StreamName=name, MaxResults=1)["NextToken"]
    consumers = kinesis.list_stream_consumers(StreamARN=arn(name), MaxResults=1)["NextToken"]
    streams = kinesis.list_streams(Limit=1)["NextToken"]
    calls = [
        lambda: kinesis.list_shards(NextToken=shards),
        lambda: kinesis.list_stream_consumers(StreamARN=arn(name), NextToken=consumers),
        lambda: kinesis.list_streams(NextToken=streams),
    ]
    clock.move_to(250)
    for call in calls:
        call()
    clock.move_to(400)
    for call in calls:
        with refused("ExpiredNextTokenException"):
            call()


def test_a_clock_that_steps_back(clock, kinesis, stream):
    """API-B-15, API-GetRecords-3, API-T-4, API-Q-3: iterators of the future are accepted, arrivals never decrease, the
    order of numbers holds."""
    clock.move_to(3 * HOUR)
    name = stream()
    put(kinesis, name, b"1")
    position = iterator(kinesis, name)
    clock.move_to(2 * HOUR)
    put(kinesis, name, b"2")
    records = kinesis.get_records(ShardIterator=position)["Records"]
    assert [record["Data"] for record in records] == [b"1", b"2"]
    times = [record["ApproximateArrivalTimestamp"] for record in records]
    assert times == sorted(times)
    assert records[0]["SequenceNumber"] < records[1]["SequenceNumber"]
    kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey=str(2**127))
    wait_active(kinesis, name)
    parent, *children = shards_of(kinesis, name)
    (answer,) = put(kinesis, name, b"3")
    assert answer["SequenceNumber"] > parent["SequenceNumberRange"]["EndingSequenceNumber"]
    for child in children:
        assert child["SequenceNumberRange"]["StartingSequenceNumber"] > parent["SequenceNumberRange"][
            "EndingSequenceNumber"]
    assert Number.parse(answer["SequenceNumber"]).arrived >= Number.parse(answer["SequenceNumber"]).created


def test_records_leave_after_their_retention(clock, kinesis, stream):
    """API-T-2, API-T-11, API-Retention-6: hidden at once when they are too old; a longer period brings none back."""
    name = stream()
    put(kinesis, name, b"old")
    clock.move_to(20 * HOUR)
    put(kinesis, name, b"new")
    (first,) = [r for r in read_all(kinesis, iterator(kinesis, name))[0] if r["Data"] == b"old"]
    clock.move_to(23.5 * HOUR)
    assert [r["Data"] for r in read_all(kinesis, iterator(kinesis, name))[0]] == [b"old", b"new"]
    position = iterator(kinesis, name)
    clock.move_to(DAY + 60)
    eventually(
        lambda: [r["Data"] for r in read_all(kinesis, iterator(kinesis, name))[0]] == [b"new"], "the record is gone")
    # A position that was trimmed goes on at the horizon (API-T-5, API-T-11).
    for number in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        found = iterator(kinesis, name, kind=number, StartingSequenceNumber=first["SequenceNumber"])
        assert [r["Data"] for r in read_all(kinesis, found)[0]] == [b"new"]
    del position
    kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=168)
    wait_active(kinesis, name)
    assert [r["Data"] for r in read_all(kinesis, iterator(kinesis, name))[0]] == [b"new"]
    clock.move_to(100 * HOUR)
    assert [r["Data"] for r in read_all(kinesis, iterator(kinesis, name))[0]] == [b"new"]
    # Decreasing trims at once (API-Retention-6).
    kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=24)
    wait_active(kinesis, name)
    assert read_all(kinesis, iterator(kinesis, name))[0] == []


def test_an_iterator_made_before_trimming_goes_on_at_the_horizon(clock, kinesis, stream):
    """API-T-2, API-T-11."""
    name = stream()
    put(kinesis, name, b"old")
    clock.move_to(DAY - 100)
    put(kinesis, name, b"new")
    position = iterator(kinesis, name)
    clock.move_to(DAY + 100)
    eventually(
        lambda: [r["Data"] for r in read_all(kinesis, position)[0]] == [b"new"], "the iterator goes on at the horizon")


def test_closed_shards_leave_with_the_retention(clock, kinesis, stream):
    """API-R-4, API-ListShards-2, API-ListShards-3, API-GetShardIterator-2: after their closing, both parents of a merge at
    once, children keep naming them, and what is listed covers all hash keys."""
    name = stream(shards=2)
    put(kinesis, name, b"x")
    clock.move_to(10 * HOUR)
    kinesis.merge_shards(StreamName=name, ShardToMerge=shard_id(0), AdjacentShardToMerge=shard_id(1))
    wait_active(kinesis, name)
    clock.move_to(20 * HOUR)
    kinesis.split_shard(StreamName=name, ShardToSplit=shard_id(2), NewStartingHashKey=str(2**127))
    wait_active(kinesis, name)

    def at_horizon():
        shards = kinesis.list_shards(StreamName=name, ShardFilter={"Type": "AT_TRIM_HORIZON"})["Shards"]
        assert covers_all(shards)
        return [int(shard["ShardId"][-12:]) for shard in shards]

    def listed():
        return [int(shard["ShardId"][-12:]) for shard in shards_of(kinesis, name)]

    clock.move_to(33 * HOUR)
    assert at_horizon() == [0, 1] and listed() == [0, 1, 2, 3, 4]
    clock.move_to(35 * HOUR)
    eventually(lambda: listed() == [2, 3, 4], "the parents of the merge are gone")
    assert at_horizon() == [2]
    merged = shards_of(kinesis, name)[0]
    assert merged["ParentShardId"] == shard_id(0) and merged["AdjacentParentShardId"] == shard_id(1)
    for shard in (0, 1):
        with refused(
            "ResourceNotFoundException",
            f"Shard {shard_id(shard)} in stream {name} under account {ACCOUNT} does not exist",
        ):
            iterator(kinesis, name, shard_id(shard))
    clock.move_to(45 * HOUR)
    eventually(lambda: listed() == [3, 4], "the parent of the split is gone")
    assert at_horizon() == [3, 4] and all(map(is_open, shards_of(kinesis, name)))


def test_the_lag_at_one_place_grows_with_the_clock(clock, kinesis, stream):
    """API-T-9: against now, also while nobody writes; at the end of a closed shard since its closing."""
    name = stream()
    put(kinesis, name, b"1", b"2")
    clock.move_to(600)
    lag = kinesis.get_records(ShardIterator=iterator(kinesis, name), Limit=1)["MillisBehindLatest"]
    assert 600_000 <= lag < 700_000
    clock.move_to(1200)
    lag = kinesis.get_records(ShardIterator=iterator(kinesis, name), Limit=1)["MillisBehindLatest"]
    assert 1_200_000 <= lag < 1_300_000
    kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey=str(2**127))
    wait_active(kinesis, name)
    clock.move_to(1500)
    answer = kinesis.get_records(ShardIterator=iterator(kinesis, name))
    assert len(answer["Records"]) == 2 and "NextShardIterator" not in answer
    assert 300_000 <= answer["MillisBehindLatest"] < 400_000
