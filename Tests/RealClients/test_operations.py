"""Every operation with boto3, on its main path, with botocore's own check of the parameters."""
import datetime

import boto3
import pytest
from botocore.exceptions import ClientError

from support.server import eventually
from support.streams import arn, create, iterator, put, read_all, shards_of, wait_active
from support.values import Number, covers_all, is_open

# The operations of botocore's model that are queues and channels, which are answered as not known (section 19).
OTHERS = {"Queue", "Channel"}


@pytest.fixture(scope="module")
def kinesis(server):
    return server.boto(validates=True)


def operations():
    """The operations of botocore's model that Shardline has."""
    client = boto3.client("kinesis", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    names = client.meta.service_model.operation_names
    return {name for name in names if not any(other in name for other in OTHERS)}


def test_the_model_has_forty_operations_that_are_not_queues_or_channels():
    """API-U-4, API-U-5: of 57 operations 40 are tested here."""
    assert len(operations()) == 40


def test_queues_and_channels_are_not_known(server):
    """API-U-4, API-U-5: UnknownOperationException, without a text."""
    client = server.boto()
    for name in client.meta.service_model.operation_names:
        if any(other in name for other in OTHERS):
            call = next(m for m, o in client.meta.method_to_api_mapping.items() if o == name)
            with pytest.raises(ClientError) as error:
                getattr(client, call)()
            assert error.value.response["Error"]["Code"] == "UnknownOperationException", name


def test_a_stream_is_created_described_and_deleted(kinesis):
    """API-CreateStream-2, API-C-5, API-DescribeStream-1, API-DescribeStreamSummary-1; both waiters."""
    before = datetime.datetime.now(datetime.timezone.utc)
    kinesis.create_stream(StreamName="first", ShardCount=3)
    kinesis.get_waiter("stream_exists").wait(StreamName="first", WaiterConfig={"Delay": 1})
    described = kinesis.describe_stream(StreamName="first")["StreamDescription"]
    assert described["StreamARN"] == arn("first") and described["StreamName"] == "first"
    assert described["StreamStatus"] == "ACTIVE" and described["HasMoreShards"] is False
    assert described["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    assert described["RetentionPeriodHours"] == 24 and described["EncryptionType"] == "NONE"
    assert described["EnhancedMonitoring"] == [{"ShardLevelMetrics": []}]
    assert "KeyId" not in described
    created = described["StreamCreationTimestamp"]
    assert created.microsecond == 0 and abs((created - before).total_seconds()) < 60
    assert len(described["Shards"]) == 3 and covers_all(described["Shards"])
    summary = kinesis.describe_stream_summary(StreamName="first")["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 3 and summary["ConsumerCount"] == 0
    assert summary["StreamCreationTimestamp"] == created and "StreamId" not in summary
    assert summary["MaxRecordSizeInKiB"] == 1024 and summary["StreamARN"] == arn("first")
    kinesis.delete_stream(StreamName="first")
    kinesis.get_waiter("stream_not_exists").wait(StreamName="first", WaiterConfig={"Delay": 1})


def test_a_stream_without_count_and_mode_is_on_demand_with_four_shards(kinesis):
    """API-H-5."""
    name = create(kinesis, shards=None)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"} and summary["OpenShardCount"] == 4


def test_a_stream_is_created_with_tags_and_a_record_size(kinesis):
    """API-CreateStream-7, API-PutRecord-4."""
    name = create(kinesis, Tags={"team": "red"}, MaxRecordSizeInKiB=2048)
    assert kinesis.list_tags_for_stream(StreamName=name)["Tags"] == [{"Key": "team", "Value": "red"}]
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["MaxRecordSizeInKiB"] == 2048
    put(kinesis, name, bytes(2048 * 1024))


def test_streams_are_listed_by_pages(serve):
    """API-ListStreams-1: in order of the bytes, by boto3's paginator, with summaries of the same streams."""
    kinesis = serve().boto(validates=True)
    names = ["B", "a", "a-1", "a.1", "a1", "aa", "b_"]
    for name in reversed(names):
        create(kinesis, name=name)
    assert kinesis.list_streams()["StreamNames"] == names and kinesis.list_streams()["HasMoreStreams"] is False
    pages = list(kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 3}))
    assert [page["StreamNames"] for page in pages] == [names[:3], names[3:6], names[6:]]
    assert [page["HasMoreStreams"] for page in pages] == [True, True, False]
    assert ["NextToken" in page for page in pages] == [True, True, False]
    summaries = [summary for page in pages for summary in page["StreamSummaries"]]
    assert [summary["StreamName"] for summary in summaries] == names
    for summary in summaries:
        assert summary["StreamARN"] == arn(summary["StreamName"]) and summary["StreamStatus"] == "ACTIVE"
        assert summary["StreamModeDetails"] == {"StreamMode": "PROVISIONED"} and summary["StreamCreationTimestamp"]
    assert kinesis.list_streams(ExclusiveStartStreamName="a.0")["StreamNames"] == names[3:]


def test_a_record_is_put_and_read(kinesis, stream):
    """API-PutRecord-1, API-C-6, API-T-6, API-T-9."""
    name = stream()
    before = datetime.datetime.now(datetime.timezone.utc)
    answer = kinesis.put_record(StreamName=name, Data=b"\x00\xffhello", PartitionKey="key")
    assert answer["ShardId"] == "shardId-000000000000" and "EncryptionType" not in answer
    assert Number.parse(answer["SequenceNumber"]).shard == 0
    read = kinesis.get_records(ShardIterator=iterator(kinesis, name))
    (record,) = read["Records"]
    assert record["Data"] == b"\x00\xffhello" and record["PartitionKey"] == "key"
    assert record["SequenceNumber"] == answer["SequenceNumber"] and "EncryptionType" not in record
    assert abs((record["ApproximateArrivalTimestamp"] - before).total_seconds()) < 60
    assert read["MillisBehindLatest"] == 0 and read["NextShardIterator"] and "ChildShards" not in read


def test_records_are_put_together(kinesis, stream):
    """API-PutRecords-3, API-PutRecords-4: answers in the request's order, numbers that grow by shard."""
    name = stream(shards=3)
    answer = kinesis.put_records(
        StreamName=name, Records=[{"Data": b"%d" % i, "PartitionKey": f"key-{i}"} for i in range(100)])
    assert answer["FailedRecordCount"] == 0 and len(answer["Records"]) == 100 and "EncryptionType" not in answer
    assert len({entry["ShardId"] for entry in answer["Records"]}) == 3
    for shard in shards_of(kinesis, name):
        mine = [(i, e) for i, e in enumerate(answer["Records"]) if e["ShardId"] == shard["ShardId"]]
        assert [e["SequenceNumber"] for _, e in mine] == sorted(e["SequenceNumber"] for _, e in mine)
        records, _ = read_all(kinesis, iterator(kinesis, name, shard["ShardId"]))
        assert [(r["Data"], r["SequenceNumber"]) for r in records] == [
            (b"%d" % i, e["SequenceNumber"]) for i, e in mine]


def test_shards_are_split_and_merged(kinesis, stream):
    """API-R-1, API-R-2, API-H-4."""
    name = stream()
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    wait_active(kinesis, name)
    kinesis.merge_shards(
        StreamName=name, ShardToMerge="shardId-000000000001", AdjacentShardToMerge="shardId-000000000002")
    wait_active(kinesis, name)
    shards = shards_of(kinesis, name)
    assert [shard["ShardId"] for shard in shards] == [f"shardId-{i:012d}" for i in range(4)]
    assert [is_open(shard) for shard in shards] == [False, False, False, True]
    assert shards[1]["ParentShardId"] == shards[2]["ParentShardId"] == "shardId-000000000000"
    assert shards[3]["ParentShardId"] == "shardId-000000000001"
    assert shards[3]["AdjacentParentShardId"] == "shardId-000000000002"


def test_the_number_of_shards_is_changed(kinesis, stream):
    """API-UpdateShardCount-3."""
    name = stream(shards=2)
    answer = kinesis.update_shard_count(StreamName=name, TargetShardCount=3, ScalingType="UNIFORM_SCALING")
    assert answer["StreamName"] == name and answer["StreamARN"] == arn(name)
    assert answer["CurrentShardCount"] == 2 and answer["TargetShardCount"] == 3
    wait_active(kinesis, name)
    assert len([shard for shard in shards_of(kinesis, name) if is_open(shard)]) == 3


def test_the_retention_is_changed(kinesis, stream):
    """API-Retention-5."""
    name = stream()
    for hours in (24, 48, 48, 8760):
        kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=hours)
    for hours in (8760, 100, 24):
        kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=hours)
        wait_active(kinesis, name)
        assert kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"][
            "RetentionPeriodHours"] == hours


def test_limits_are_described(serve):
    """DescribeLimits counts the shards and on-demand streams of the account and region (API-U-3)."""
    server = serve()
    kinesis = server.boto(validates=True)
    create(kinesis, shards=3)
    create(kinesis, shards=None)
    create(server.boto(region="eu-west-1", validates=True), shards=2)
    limits = kinesis.describe_limits()
    assert limits["OpenShardCount"] == 7 and limits["OnDemandStreamCount"] == 1
    assert limits["ShardLimit"] >= 10_000 and limits["OnDemandStreamCountLimit"] >= 1


def test_account_settings_are_kept(serve):
    """DescribeAccountSettings and UpdateAccountSettings; API-UpdateStreamWarmThroughput-1."""
    kinesis = serve().boto(validates=True)
    assert kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]["Status"] == "DISABLED"
    answer = kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    assert answer["MinimumThroughputBillingCommitment"]["Status"] == "ENABLED"
    assert answer["MinimumThroughputBillingCommitment"]["StartedAt"]
    assert kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]["Status"] == "ENABLED"
    name = create(kinesis, shards=None)
    warm = kinesis.update_stream_warm_throughput(StreamName=name, WarmThroughputMiBps=8)
    assert warm["StreamName"] == name and warm["StreamARN"] == arn(name)
    assert warm["WarmThroughput"]["TargetMiBps"] == 8
    wait_active(kinesis, name)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["WarmThroughput"] == {"TargetMiBps": 8, "CurrentMiBps": 8}
    kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "DISABLED"})
    assert kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]["Status"] == "DISABLED"


def test_the_mode_is_changed(kinesis, stream):
    """API-UpdateStreamMode-1: open shards stay."""
    name = stream(shards=2)
    for mode in ("ON_DEMAND", "ON_DEMAND", "PROVISIONED"):
        kinesis.update_stream_mode(StreamARN=arn(name), StreamModeDetails={"StreamMode": mode})
        wait_active(kinesis, name)
        summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        assert summary["StreamModeDetails"] == {"StreamMode": mode} and summary["OpenShardCount"] == 2


def test_the_record_size_is_changed(kinesis, stream):
    """UpdateMaxRecordSize; records that are there stay readable."""
    name = stream()
    kinesis.update_max_record_size(StreamARN=arn(name), MaxRecordSizeInKiB=10240)
    wait_active(kinesis, name)
    put(kinesis, name, b"x" * 10485760)
    kinesis.update_max_record_size(StreamARN=arn(name), MaxRecordSizeInKiB=1024)
    wait_active(kinesis, name)
    records, _ = read_all(kinesis, iterator(kinesis, name))
    assert [len(record["Data"]) for record in records] == [10485760]


def test_a_stream_without_partition_keys(kinesis, stream):
    """API-U-1: records without key on an AUTO stream."""
    name = create(kinesis, shards=None, RecordDistributionStrategy="AUTO")
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["RecordDistributionStrategy"] == "AUTO"
    shard = kinesis.put_record(StreamName=name, Data=b"keyless")["ShardId"]
    (record,) = read_all(kinesis, iterator(kinesis, name, shard))[0]
    assert record["Data"] == b"keyless" and "PartitionKey" not in record
    answer = kinesis.put_records(StreamName=name, Records=[{"Data": b"1"}, {"Data": b"2", "PartitionKey": "k"}])
    assert answer["FailedRecordCount"] == 0
    kinesis.update_stream_record_distribution_strategy(
        StreamARN=arn(name), RecordDistributionStrategy="USER_PARTITION_KEY")
    wait_active(kinesis, name)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["RecordDistributionStrategy"] == "USER_PARTITION_KEY"
    assert kinesis.describe_stream_summary(StreamName=stream())["StreamDescriptionSummary"][
        "RecordDistributionStrategy"] == "USER_PARTITION_KEY"


def test_tags_of_a_stream(kinesis, stream):
    """API-Tags-2, API-Tags-3."""
    name = stream()
    kinesis.add_tags_to_stream(StreamName=name, Tags={"b": "2", "a": "1", "c": ""})
    kinesis.add_tags_to_stream(StreamName=name, Tags={"b": "two"})
    answer = kinesis.list_tags_for_stream(StreamName=name)
    assert answer["HasMoreTags"] is False
    assert [(tag["Key"], tag["Value"]) for tag in answer["Tags"]] == [("a", "1"), ("b", "two"), ("c", "")]
    page = kinesis.list_tags_for_stream(StreamName=name, Limit=2)
    assert [tag["Key"] for tag in page["Tags"]] == ["a", "b"] and page["HasMoreTags"] is True
    page = kinesis.list_tags_for_stream(StreamName=name, ExclusiveStartTagKey="aa")
    assert [tag["Key"] for tag in page["Tags"]] == ["b", "c"] and page["HasMoreTags"] is False
    kinesis.remove_tags_from_stream(StreamName=name, TagKeys=["a", "missing"])
    assert [tag["Key"] for tag in kinesis.list_tags_for_stream(StreamName=name)["Tags"]] == ["b", "c"]


def test_tags_of_resources(kinesis, stream):
    """TagResource, UntagResource and ListTagsForResource, of a stream and of a consumer."""
    name = stream()
    consumer = kinesis.register_stream_consumer(
        StreamARN=arn(name), ConsumerName="tagged", Tags={"from": "start"})["Consumer"]["ConsumerARN"]
    for resource in (arn(name), consumer):
        kinesis.tag_resource(ResourceARN=resource, Tags={"k": "v", "l": "w"})
        kinesis.untag_resource(ResourceARN=resource, TagKeys=["l"])
        tags = {tag["Key"]: tag["Value"] for tag in kinesis.list_tags_for_resource(ResourceARN=resource)["Tags"]}
        assert tags == ({"k": "v"} if resource == arn(name) else {"k": "v", "from": "start"})
    assert kinesis.list_tags_for_stream(StreamName=name)["Tags"] == [{"Key": "k", "Value": "v"}]


def test_enhanced_monitoring(kinesis, stream):
    """EnableEnhancedMonitoring and DisableEnhancedMonitoring: before and after; ALL stands for all seven."""
    name = stream()
    answer = kinesis.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["IncomingBytes"])
    assert answer["StreamName"] == name and answer["StreamARN"] == arn(name)
    assert answer["CurrentShardLevelMetrics"] == [] and answer["DesiredShardLevelMetrics"] == ["IncomingBytes"]
    answer = kinesis.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    assert answer["CurrentShardLevelMetrics"] == ["IncomingBytes"]
    every = {
        "IncomingBytes", "IncomingRecords", "OutgoingBytes", "OutgoingRecords", "WriteProvisionedThroughputExceeded",
        "ReadProvisionedThroughputExceeded", "IteratorAgeMilliseconds"}
    assert set(answer["DesiredShardLevelMetrics"]) == every and len(answer["DesiredShardLevelMetrics"]) == 7
    wait_active(kinesis, name)
    described = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert set(described["EnhancedMonitoring"][0]["ShardLevelMetrics"]) == every
    answer = kinesis.disable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["IncomingBytes"])
    assert set(answer["DesiredShardLevelMetrics"]) == every - {"IncomingBytes"}
    answer = kinesis.disable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    assert answer["DesiredShardLevelMetrics"] == []


def test_encryption_is_shown_in_answers(kinesis, stream):
    """API-Encryption-1, API-C-6."""
    name = stream()
    put(kinesis, name, b"plain")
    key = "alias/aws/kinesis"
    kinesis.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=key)
    wait_active(kinesis, name)
    for described in (
        kinesis.describe_stream(StreamName=name)["StreamDescription"],
        kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"],
    ):
        assert described["EncryptionType"] == "KMS" and described["KeyId"] == key
    assert put(kinesis, name, b"encrypted")[0]["EncryptionType"] == "KMS"
    together = kinesis.put_records(StreamName=name, Records=[{"Data": b"too", "PartitionKey": "key"}])
    assert together["EncryptionType"] == "KMS"
    records, _ = read_all(kinesis, iterator(kinesis, name))
    assert [record["EncryptionType"] for record in records[1:]] == ["KMS", "KMS"]
    kinesis.stop_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=key)
    wait_active(kinesis, name)
    assert "EncryptionType" not in put(kinesis, name, b"plain again")[0]
    records, _ = read_all(kinesis, iterator(kinesis, name))
    assert [record["Data"] for record in records] == [b"plain", b"encrypted", b"too", b"plain again"]
    assert "EncryptionType" not in records[3]
    described = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert described["EncryptionType"] == "NONE" and "KeyId" not in described


def test_policies_are_kept(kinesis, stream):
    """API-PutResourcePolicy-1, of a stream and of a consumer."""
    name = stream()
    consumer = kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName="c")["Consumer"]["ConsumerARN"]
    for resource in (arn(name), consumer):
        policy = '{"Version": "2012-10-17", "Statement": []}'
        kinesis.put_resource_policy(ResourceARN=resource, Policy=policy)
        assert kinesis.get_resource_policy(ResourceARN=resource)["Policy"] == policy
        kinesis.delete_resource_policy(ResourceARN=resource)
        with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
            kinesis.get_resource_policy(ResourceARN=resource)


def test_consumers_are_registered_listed_and_deregistered(kinesis, stream):
    """API-RegisterStreamConsumer-1, API-Consumer-1, API-N-2; boto3's paginator."""
    name = stream()
    made = {}
    for consumer in ("b", "a", "c"):
        answer = kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName=consumer)["Consumer"]
        assert answer["ConsumerName"] == consumer and answer["ConsumerStatus"] == "CREATING"
        seconds = int(answer["ConsumerCreationTimestamp"].timestamp())
        assert answer["ConsumerARN"] == f"{arn(name)}/consumer/{consumer}:{seconds}"
        made[consumer] = answer

    def described(**which):
        return kinesis.describe_stream_consumer(**which)["ConsumerDescription"]

    for consumer, answer in made.items():
        eventually(
            lambda: described(StreamARN=arn(name), ConsumerName=consumer)["ConsumerStatus"] == "ACTIVE",
            "the consumer is ACTIVE")
        found = described(ConsumerARN=answer["ConsumerARN"])
        assert found["StreamARN"] == arn(name) and found["ConsumerName"] == consumer
        assert found["ConsumerCreationTimestamp"] == answer["ConsumerCreationTimestamp"]
    pages = list(
        kinesis.get_paginator("list_stream_consumers").paginate(
            StreamARN=arn(name), PaginationConfig={"PageSize": 2}))
    assert [[c["ConsumerName"] for c in page["Consumers"]] for page in pages] == [["a", "b"], ["c"]]
    assert all("StreamARN" not in c for page in pages for c in page["Consumers"])
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["ConsumerCount"] == 3
    kinesis.deregister_stream_consumer(ConsumerARN=made["a"]["ConsumerARN"])
    kinesis.deregister_stream_consumer(StreamARN=arn(name), ConsumerName="b")
    eventually(
        lambda: [c["ConsumerName"] for c in kinesis.list_stream_consumers(StreamARN=arn(name))["Consumers"]] == ["c"],
        "two consumers are gone")


def test_a_subscription_delivers_what_is_put(kinesis, stream):
    """API-F-3, API-F-4, API-F-6, API-F-8: boto3's event stream."""
    name = stream()
    consumer = kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName="c")["Consumer"]["ConsumerARN"]
    eventually(
        lambda: kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"]
        == "ACTIVE", "the consumer is ACTIVE")
    (first,) = put(kinesis, name, b"1")
    events = kinesis.subscribe_to_shard(
        ConsumerARN=consumer, ShardId="shardId-000000000000", StartingPosition={"Type": "TRIM_HORIZON"})["EventStream"]
    records, last = [], None
    second = None
    for event in events:
        event = event["SubscribeToShardEvent"]
        assert event["ContinuationSequenceNumber"] and "MillisBehindLatest" in event
        records += event["Records"]
        if event["Records"]:
            last = event["ContinuationSequenceNumber"]
        if len(records) == 1 and second is None:
            (second,) = put(kinesis, name, b"2")
        if len(records) == 2:
            break
    events.close()
    assert [record["Data"] for record in records] == [b"1", b"2"]
    assert [record["SequenceNumber"] for record in records] == [first["SequenceNumber"], second["SequenceNumber"]]
    assert last == second["SequenceNumber"]


def test_dry_runs_change_nothing(kinesis, stream):
    """API-U-2: DryRunOperationException after all checks."""
    name = stream()
    consumer = kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName="c")["Consumer"]["ConsumerARN"]
    eventually(
        lambda: kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"]
        == "ACTIVE", "the consumer is ACTIVE")
    shard = "shardId-000000000000"
    calls = [
        lambda: kinesis.put_record(StreamName=name, Data=b"1", PartitionKey="k", DryRun=True),
        lambda: kinesis.put_records(StreamName=name, Records=[{"Data": b"1", "PartitionKey": "k"}], DryRun=True),
        lambda: kinesis.get_shard_iterator(
            StreamName=name, ShardId=shard, ShardIteratorType="LATEST", DryRun=True),
        lambda: kinesis.get_records(ShardIterator=iterator(kinesis, name), DryRun=True),
        lambda: kinesis.subscribe_to_shard(
            ConsumerARN=consumer, ShardId=shard, StartingPosition={"Type": "LATEST"}, DryRun=True),
    ]
    for call in calls:
        with pytest.raises(kinesis.exceptions.DryRunOperationException) as error:
            call()
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert read_all(kinesis, iterator(kinesis, name))[0] == []
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.put_record(StreamName="missing", Data=b"1", PartitionKey="k", DryRun=True)
    # No subscription began, so the next one isn't within five seconds of another.
    kinesis.subscribe_to_shard(
        ConsumerARN=consumer, ShardId=shard, StartingPosition={"Type": "LATEST"})["EventStream"].close()
