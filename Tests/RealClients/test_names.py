"""StreamName and StreamARN in every operation that takes both (API-N-3, API-B-16), on the main path."""
import pytest

from support.streams import arn, create, iterator, put, wait_active
from support.values import shard_id

SHARD = shard_id(0)

# Operations with what they need beside a stream; in an order in which each is allowed.
CALLS = [
    ("describe_stream", {}),
    ("describe_stream_summary", {}),
    ("list_shards", {}),
    ("put_record", {"Data": b"d", "PartitionKey": "k"}),
    ("put_records", {"Records": [{"Data": b"d", "PartitionKey": "k"}]}),
    ("get_shard_iterator", {"ShardId": SHARD, "ShardIteratorType": "TRIM_HORIZON"}),
    ("add_tags_to_stream", {"Tags": {"a": "b"}}),
    ("list_tags_for_stream", {}),
    ("remove_tags_from_stream", {"TagKeys": ["a"]}),
    ("increase_stream_retention_period", {"RetentionPeriodHours": 48}),
    ("decrease_stream_retention_period", {"RetentionPeriodHours": 24}),
    ("enable_enhanced_monitoring", {"ShardLevelMetrics": ["ALL"]}),
    ("disable_enhanced_monitoring", {"ShardLevelMetrics": ["ALL"]}),
    ("start_stream_encryption", {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}),
    ("stop_stream_encryption", {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}),
    ("split_shard", {"ShardToSplit": SHARD, "NewStartingHashKey": str(2**127)}),
    ("merge_shards", {"ShardToMerge": shard_id(1), "AdjacentShardToMerge": shard_id(2)}),
    ("update_shard_count", {"TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"}),
    ("delete_stream", {}),
]


@pytest.mark.parametrize("form", ["name", "arn", "both"])
def test_every_operation_takes_a_stream_by(kinesis, form):
    """API-N-3, API-B-16: an ARN is no name, and both together name one stream."""
    name = create(kinesis)
    which = {
        "name": {"StreamName": name}, "arn": {"StreamARN": arn(name)},
        "both": {"StreamName": name, "StreamARN": arn(name)}}[form]
    for operation, options in CALLS:
        answer = getattr(kinesis, operation)(**which, **options)
        if "StreamName" in answer:
            assert answer["StreamName"] == name and answer["StreamARN"] == arn(name)
        if operation != "delete_stream":
            wait_active(kinesis, name)
    assert arn(name) not in kinesis.list_streams()["StreamNames"]


def test_every_operation_of_botocores_model_with_both_is_here(kinesis):
    """API-B-16: those that Shardline has and that take StreamName and StreamARN; GetRecords takes the ARN alone."""
    model = kinesis.meta.service_model
    both = {
        name for name in model.operation_names
        if {"StreamName", "StreamARN"} <= set(model.operation_model(name).input_shape.members)}
    called = {kinesis.meta.method_to_api_mapping[call] for call, _ in CALLS} | {"UpdateStreamWarmThroughput"}
    assert both == called


def test_a_read_with_the_arn(kinesis, stream):
    """API-N-3: GetRecords and UpdateStreamWarmThroughput."""
    name = stream()
    put(kinesis, name, b"x")
    answer = kinesis.get_records(StreamARN=arn(name), ShardIterator=iterator(kinesis, name))
    assert [record["Data"] for record in answer["Records"]] == [b"x"]
    kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    name = create(kinesis, shards=None)
    for which in ({"StreamName": name}, {"StreamARN": arn(name)}):
        assert kinesis.update_stream_warm_throughput(WarmThroughputMiBps=4, **which)["StreamName"] == name
        wait_active(kinesis, name)
