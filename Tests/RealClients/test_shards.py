"""DescribeStream and ListShards with boto3: pages, tokens, filters."""
import datetime
import time

from support.cbor import Time
from support.streams import create, shards_of, wait_active
from support.values import covers_all, refused, shard_id


def split(kinesis, name, shard=shard_id(0), at=2**127):
    kinesis.split_shard(StreamName=name, ShardToSplit=shard, NewStartingHashKey=str(at))
    wait_active(kinesis, name)


def test_shards_are_described_by_pages(kinesis, stream):
    """API-DescribeStream-1: after the named shard, closed ones included, by boto3's paginator too."""
    name = stream(shards=4)
    split(kinesis, name, at=5)
    every = [shard_id(i) for i in range(6)]

    def page(**options):
        described = kinesis.describe_stream(StreamName=name, **options)["StreamDescription"]
        return [shard["ShardId"] for shard in described["Shards"]], described["HasMoreShards"]

    assert page() == (every, False)
    assert page(Limit=2) == (every[:2], True) and page(Limit=6) == (every, False)
    assert page(ExclusiveStartShardId=every[3]) == (every[4:], False)
    assert page(ExclusiveStartShardId="3", Limit=1) == (every[4:5], True)
    assert page(ExclusiveStartShardId="shardId-000000000099") == ([], False)
    pages = kinesis.get_paginator("describe_stream").paginate(StreamName=name, PaginationConfig={"PageSize": 2})
    assert [shard["ShardId"] for p in pages for shard in p["StreamDescription"]["Shards"]] == every


def test_more_than_a_hundred_shards_are_described_by_pages(kinesis, stream):
    """API-DescribeStream-1: a Limit of more than 100 counts as 100. API-H-4: in order of the index."""
    name = stream(shards=230)
    described = kinesis.describe_stream(StreamName=name, Limit=10_000)["StreamDescription"]
    assert len(described["Shards"]) == 100 and described["HasMoreShards"]
    pages = kinesis.get_paginator("describe_stream").paginate(StreamName=name)
    shards = [shard for p in pages for shard in p["StreamDescription"]["Shards"]]
    assert [shard["ShardId"] for shard in shards] == [shard_id(i) for i in range(230)] and covers_all(shards)
    assert [shard["ShardId"] for shard in shards_of(kinesis, name)] == [shard_id(i) for i in range(230)]


def test_shards_are_listed_by_pages(kinesis, stream):
    """API-ListShards-4: with a token all that the first call said goes on, MaxResults may change."""
    name = stream(shards=5)
    split(kinesis, name, at=5)
    first = kinesis.list_shards(StreamName=name, MaxResults=2, ExclusiveStartShardId=shard_id(0))
    assert [shard["ShardId"] for shard in first["Shards"]] == [shard_id(1), shard_id(2)]
    second = kinesis.list_shards(NextToken=first["NextToken"], MaxResults=3)
    assert [shard["ShardId"] for shard in second["Shards"]] == [shard_id(i) for i in (3, 4, 5)]
    third = kinesis.list_shards(NextToken=second["NextToken"])
    assert [shard["ShardId"] for shard in third["Shards"]] == [shard_id(6)] and "NextToken" not in third
    latest = kinesis.list_shards(StreamName=name, MaxResults=2, ShardFilter={"Type": "AT_LATEST"})
    rest = kinesis.list_shards(NextToken=latest["NextToken"])
    found = [shard["ShardId"] for shard in latest["Shards"] + rest["Shards"]]
    assert found == [shard_id(i) for i in range(1, 7)]


def indices(shards):
    return [int(shard["ShardId"][-12:]) for shard in shards]


def test_filters_of_shards(kinesis, wire, stream):
    """API-ListShards-2, API-ListShards-3: those that stand for one moment cover all hash keys."""
    name = stream(shards=2)

    def moment():
        time.sleep(0.02)
        now = Time(time.time() * 1000)
        time.sleep(0.02)
        return now

    before_split = moment()
    split(kinesis, name, at=2**126)
    after_split = moment()
    kinesis.merge_shards(StreamName=name, ShardToMerge=shard_id(3), AdjacentShardToMerge=shard_id(1))
    wait_active(kinesis, name)
    now = moment()

    def listed(kind, **options):
        shards = wire.ask("ListShards", {"StreamName": name, "ShardFilter": {"Type": kind, **options}})["Shards"]
        if kind in ("AT_TRIM_HORIZON", "AT_LATEST", "AT_TIMESTAMP"):
            assert covers_all(shards), kind
        return indices(shards)

    assert listed("FROM_TRIM_HORIZON") == indices(shards_of(kinesis, name)) == [0, 1, 2, 3, 4]
    assert listed("AT_TRIM_HORIZON") == [0, 1]
    assert listed("AT_LATEST") == [2, 4]
    assert listed("AT_TIMESTAMP", Timestamp=before_split) == [0, 1]
    assert listed("AT_TIMESTAMP", Timestamp=after_split) == [1, 2, 3]
    assert listed("AT_TIMESTAMP", Timestamp=now) == [2, 4]
    assert listed("FROM_TIMESTAMP", Timestamp=after_split) == [1, 2, 3, 4]
    assert listed("FROM_TIMESTAMP", Timestamp=before_split) == [0, 1, 2, 3, 4]
    assert listed("FROM_TIMESTAMP", Timestamp=now) == [2, 4]
    assert listed("FROM_TIMESTAMP", Timestamp=Time(1_000_000_000_000)) == [0, 1, 2, 3, 4]
    assert listed("AFTER_SHARD_ID", ShardId=shard_id(2)) == [3, 4]


def test_incarnations_are_told_apart_by_the_creation_time(kinesis, stream):
    """API-ListShards-4: another creation time is another stream; a token does not outlive its stream."""
    name = stream(shards=2)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    created = summary["StreamCreationTimestamp"]
    assert indices(shards_of(kinesis, name, StreamCreationTimestamp=created)) == [0, 1]
    with refused("ResourceNotFoundException"):
        kinesis.list_shards(StreamName=name, StreamCreationTimestamp=created - datetime.timedelta(seconds=5))
    token = kinesis.list_shards(StreamName=name, MaxResults=1)["NextToken"]
    kinesis.delete_stream(StreamName=name)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    with refused("ResourceNotFoundException"):
        kinesis.list_shards(NextToken=token)
    create(kinesis, name=name)
    with refused("ResourceNotFoundException"):
        kinesis.list_shards(NextToken=token)
