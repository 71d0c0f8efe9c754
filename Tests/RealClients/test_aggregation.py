"""Records that aws-kinesis-agg made: the server passes them on as they are."""
import base64
import json
import subprocess

from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import deaggregate_records

from support.server import program
from support.streams import iterator, put, read_all, shards_of
from support.values import hash_key, shard_id, uniform_ranges

# API-V-6.
VECTOR = bytes.fromhex(
    "f3899ac20a01610a01621a0708001a036f6e651a0708011a0374776f7896626e4b54750e07fcfeb458e8a37e")


def aggregate(records):
    aggregator = RecordAggregator()
    for key, data in records:
        assert not aggregator.add_user_record(key, data, str(hash_key(key)))
    return aggregator.clear_and_get().get_contents()


def test_an_aggregate_passes_through_unchanged(kinesis, stream):
    """API-K-4, API-K-5, API-B-19: one opaque record, in the shard that its explicit hash key says, byte by byte."""
    name = stream(shards=3)
    users = [(f"user-{i}", b"data %d" % i) for i in range(50)]
    key, explicit, data = aggregate(users)
    answer = kinesis.put_record(StreamName=name, Data=data, PartitionKey=key, ExplicitHashKey=str(explicit))
    predicted = next(
        i for i, (low, high) in enumerate(uniform_ranges(3)) if low <= int(explicit or hash_key(key)) <= high)
    assert answer["ShardId"] == shard_id(predicted)
    records, _ = read_all(kinesis, iterator(kinesis, name, answer["ShardId"]))
    assert [(record["Data"], record["PartitionKey"]) for record in records] == [(data, key)]
    found = [
        (record["kinesis"]["partitionKey"], base64.b64decode(record["kinesis"]["data"]))
        for record in deaggregate_records([{"kinesis": lambda_form(record)} for record in records])]
    assert found == users


def lambda_form(record):
    """As Lambda hands it over, which the package reads."""
    return {
        "data": base64.b64encode(record["Data"]).decode(), "partitionKey": record["PartitionKey"],
        "sequenceNumber": record["SequenceNumber"],
        "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(), "kinesisSchemaVersion": "1.0"}


def test_what_only_looks_like_an_aggregate_passes_too(kinesis, stream):
    """API-K-5, API-V-6."""
    name = stream()
    data = [VECTOR, VECTOR[:-1], VECTOR[:4], VECTOR[:-1] + b"\x00", b"\xf3\x89\x9a\xc2" + bytes(20)]
    put(kinesis, name, *data)
    assert [record["Data"] for record in read_all(kinesis, iterator(kinesis, name))[0]] == data


def test_the_command_line_takes_an_aggregate_apart_when_asked(server, kinesis, stream):
    """API-K-5: `shardline tail --deaggregate` on the server's store, while it serves."""
    name = stream()
    users = [(f"user-{i}", b"data %d" % i) for i in range(5)]
    key, explicit, data = aggregate(users)
    put(kinesis, name, data, key=key)
    put(kinesis, name, b"alone", key="single")
    assert len(shards_of(kinesis, name)) == 1
    help_ = subprocess.run([program(), "tail", "--help"], capture_output=True, text=True).stdout
    assert "--deaggregate" in help_
    shown = subprocess.run(
        [program(), "tail", name, "--data", str(server.data), "--deaggregate", "--json"],
        capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    assert len([json.loads(line) for line in shown.stdout.splitlines()]) == 6
