"""Steps on streams that many tests take, by a client of boto3."""
import itertools
import os

from .server import ACCOUNT, REGION, eventually

numbers = itertools.count(1)


def create(kinesis, shards=1, name=None, **options):
    """A new stream that is ACTIVE."""
    name = name or f"stream-{next(numbers)}-{os.getpid()}"
    if shards:
        options["ShardCount"] = shards
    kinesis.create_stream(StreamName=name, **options)
    wait_active(kinesis, name)
    return name


def status(kinesis, name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"]


def wait_active(kinesis, name):
    eventually(lambda: status(kinesis, name) == "ACTIVE", f"{name} is ACTIVE")


def arn(name, region=REGION, account=ACCOUNT):
    return f"arn:aws:kinesis:{region}:{account}:stream/{name}"


def shards_of(kinesis, name, **options):
    """All shards that ListShards gives, of all pages."""
    pages = kinesis.get_paginator("list_shards").paginate(StreamName=name, **options)
    return [shard for page in pages for shard in page["Shards"]]


def iterator(kinesis, name, shard="shardId-000000000000", kind="TRIM_HORIZON", **options):
    return kinesis.get_shard_iterator(
        StreamName=name, ShardId=shard, ShardIteratorType=kind, **options)["ShardIterator"]


def read_all(kinesis, position, limit=None):
    """The records from an iterator to the tip or the shard's end, and the last answer."""
    records, options = [], {"Limit": limit} if limit else {}
    while True:
        answer = kinesis.get_records(ShardIterator=position, **options)
        records += answer["Records"]
        position = answer.get("NextShardIterator")
        if position is None or (not answer["Records"] and answer["MillisBehindLatest"] == 0):
            return records, answer


def put(kinesis, name, *data, key="key", **options):
    """Puts these one after the other, and gives the answers."""
    return [
        kinesis.put_record(StreamName=name, Data=item, PartitionKey=key, **options)
        for item in data]
