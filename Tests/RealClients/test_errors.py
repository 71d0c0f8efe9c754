"""Every error that has a text, as boto3 gets it."""
import datetime
import re

import pytest

from support.server import ACCOUNT, REGION, eventually
from support.streams import arn, create, iterator, put, read_all, shards_of, status, wait_active
from support.values import MAX_HASH, NOT_NULL, Number, refused, shard_id, violation, violations

SHARD = shard_id(0)


def missing(name):
    """API-N-7."""
    return f"Stream {name} under account {ACCOUNT} not found."


def missing_shard(shard, name):
    return f"Shard {shard} in stream {name} under account {ACCOUNT} does not exist"


# Every operation that names a stream, with what else it needs. Those that take an ARN alone get one.
BY_NAME = {
    "add_tags_to_stream": {"Tags": {"a": "b"}},
    "decrease_stream_retention_period": {"RetentionPeriodHours": 24},
    "delete_stream": {},
    "describe_stream": {},
    "describe_stream_summary": {},
    "disable_enhanced_monitoring": {"ShardLevelMetrics": ["ALL"]},
    "enable_enhanced_monitoring": {"ShardLevelMetrics": ["ALL"]},
    "increase_stream_retention_period": {"RetentionPeriodHours": 24},
    "list_shards": {},
    "list_tags_for_stream": {},
    "merge_shards": {"ShardToMerge": SHARD, "AdjacentShardToMerge": shard_id(1)},
    "put_record": {"Data": b"d", "PartitionKey": "k"},
    "put_records": {"Records": [{"Data": b"d", "PartitionKey": "k"}]},
    "remove_tags_from_stream": {"TagKeys": ["a"]},
    "split_shard": {"ShardToSplit": SHARD, "NewStartingHashKey": str(2**127)},
    "start_stream_encryption": {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"},
    "stop_stream_encryption": {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"},
    "update_shard_count": {"TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"},
}
BY_ARN = {
    "list_stream_consumers": {},
    "register_stream_consumer": {"ConsumerName": "c"},
    "update_max_record_size": {"MaxRecordSizeInKiB": 2048},
    "update_stream_mode": {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}},
    "update_stream_record_distribution_strategy": {"RecordDistributionStrategy": "USER_PARTITION_KEY"},
}


@pytest.mark.parametrize("operation", sorted(BY_NAME))
def test_a_stream_that_is_not_there(kinesis, operation):
    """API-N-7, by name and by ARN (API-N-3)."""
    with refused("ResourceNotFoundException", missing("nowhere")):
        getattr(kinesis, operation)(StreamName="nowhere", **BY_NAME[operation])
    with refused("ResourceNotFoundException", missing("nowhere")):
        getattr(kinesis, operation)(StreamARN=arn("nowhere"), **BY_NAME[operation])


@pytest.mark.parametrize("operation", sorted(BY_ARN))
def test_an_arn_of_a_stream_that_is_not_there(kinesis, operation):
    """API-N-7."""
    with refused("ResourceNotFoundException", missing("nowhere")):
        getattr(kinesis, operation)(StreamARN=arn("nowhere"), **BY_ARN[operation])


@pytest.mark.parametrize("operation", sorted(set(BY_NAME) - {"list_shards"}))
def test_neither_name_nor_arn(kinesis, operation):
    """API-N-3."""
    with refused("InvalidArgumentException", "Either StreamName or StreamARN should be provided."):
        getattr(kinesis, operation)(**BY_NAME[operation])


@pytest.mark.parametrize("operation", sorted(BY_NAME))
def test_an_arn_of_another_region(kinesis, stream, operation):
    """API-N-3: a foreign region is not found, whatever stream is here."""
    name = stream()
    with refused("ResourceNotFoundException"):
        getattr(kinesis, operation)(StreamARN=arn(name, region="eu-west-1"), **BY_NAME[operation])


@pytest.mark.parametrize("operation", sorted(BY_NAME))
def test_name_and_arn_of_two_streams(kinesis, stream, operation):
    """API-N-3."""
    name, other = stream(shards=2), stream(shards=2)
    with refused("InvalidArgumentException"):
        getattr(kinesis, operation)(StreamName=name, StreamARN=arn(other), **BY_NAME[operation])


def test_a_stream_that_exists(kinesis, stream):
    """API-CreateStream-3."""
    name = stream()
    with refused("ResourceInUseException", f"Stream {name} under account {ACCOUNT} already exists."):
        kinesis.create_stream(StreamName=name, ShardCount=1)


def test_too_many_shards(serve):
    """API-CreateStream-6, API-Reshard-5, API-L-5: only open shards count."""
    kinesis = serve("--shard-limit", 3).boto()

    def text(more):
        return (
            f"This request would exceed the shard limit for the account {ACCOUNT} in {REGION}. Current shard count for "
            f"the account: 3. Limit: 3. Number of additional shards that would have resulted from this request: {more}. "
            "Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) "
            "for current limits and how to request higher limits.")

    name = create(kinesis, shards=2)
    kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey=str(2**126))
    wait_active(kinesis, name)
    assert kinesis.describe_limits()["OpenShardCount"] == 3 and kinesis.describe_limits()["ShardLimit"] == 3
    with refused("LimitExceededException", text(2)):
        kinesis.create_stream(StreamName="more", ShardCount=2)
    with refused("LimitExceededException", text(1)):
        kinesis.split_shard(StreamName=name, ShardToSplit=shard_id(1), NewStartingHashKey=str(2**127 + 2**126))


def test_a_stream_with_consumers_is_not_deleted(kinesis, stream):
    """API-DeleteStream-1."""
    name = stream()
    kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName="c")
    text = (
        f"DeleteStream can't delete {ACCOUNT}:{name} because there are consumers associated with this data stream. "
        f"To delete {name} anyway, set the EnforceConsumerDeletion parameter to true.")
    for options in ({}, {"EnforceConsumerDeletion": False}):
        with refused("ResourceInUseException", text):
            kinesis.delete_stream(StreamName=name, **options)
    assert status(kinesis, name) == "ACTIVE"
    kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})


def test_states_refuse_what_they_must(serve):
    """API-C-2, API-C-3, API-C-4: with a delay, each state is seen."""
    kinesis = serve("--transition-delay", "600s").boto()
    name = "creating"
    kinesis.create_stream(StreamName=name, ShardCount=2)
    described = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert described["StreamStatus"] == "CREATING" and described["Shards"] == []
    text = f"Stream {name} under account {ACCOUNT} not ACTIVE, instead in state CREATING"
    with refused("ResourceInUseException", text):
        kinesis.list_shards(StreamName=name)
    with refused("ResourceNotFoundException", missing_shard(SHARD, name)):
        iterator(kinesis, name)
    with refused("ResourceNotFoundException", missing(name)):
        put(kinesis, name, b"x")
    with refused("ResourceNotFoundException", missing(name)):
        kinesis.put_records(StreamName=name, Records=[{"Data": b"d", "PartitionKey": "k"}])
    with refused("ResourceInUseException", text):
        kinesis.split_shard(StreamName=name, **BY_NAME["split_shard"])
    with refused("ResourceInUseException", text):
        kinesis.merge_shards(StreamName=name, **BY_NAME["merge_shards"])
    with refused("ResourceInUseException", f"Stream {name} under account {ACCOUNT} already exists."):
        kinesis.create_stream(StreamName=name, ShardCount=1)
    with refused("ResourceInUseException"):
        kinesis.delete_stream(StreamName=name)


def test_an_updating_stream_takes_records_and_no_other_change(serve):
    """API-C-3: the server is started again with a delay that no test outlasts."""
    first = serve(data="updating")
    name = create(first.boto(), shards=2)
    first.stop()
    kinesis = serve("--transition-delay", "600s", data="updating").boto()
    kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey=str(2**126))
    assert status(kinesis, name) == "UPDATING"
    calls = [
        lambda: kinesis.split_shard(
            StreamName=name, ShardToSplit=shard_id(1), NewStartingHashKey=str(2**127 + 2**126)),
        lambda: kinesis.merge_shards(StreamName=name, **BY_NAME["merge_shards"]),
        lambda: kinesis.update_shard_count(StreamName=name, **BY_NAME["update_shard_count"]),
        lambda: kinesis.update_stream_mode(StreamARN=arn(name), StreamModeDetails={"StreamMode": "ON_DEMAND"}),
        lambda: kinesis.start_stream_encryption(StreamName=name, **BY_NAME["start_stream_encryption"]),
    ]
    text = f"Stream {name} under account {ACCOUNT} not ACTIVE, instead in state UPDATING"
    for call in calls:
        with refused("ResourceInUseException", text):
            call()
    put(kinesis, name, b"while updating")
    data = [r["Data"] for shard in shards_of(kinesis, name)
            for r in read_all(kinesis, iterator(kinesis, name, shard["ShardId"]))[0]]
    assert data == [b"while updating"]
    with refused("ResourceInUseException"):
        kinesis.delete_stream(StreamName=name)


def test_retention_out_of_bounds(kinesis, stream):
    """API-Retention-1 to API-Retention-4."""
    name = stream()
    kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    wait_active(kinesis, name)
    for call in (kinesis.increase_stream_retention_period, kinesis.decrease_stream_retention_period):
        with refused(
            "InvalidArgumentException",
            "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.",
        ):
            call(StreamName=name, RetentionPeriodHours=23)
        with refused(
            "InvalidArgumentException",
            "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long.",
        ):
            call(StreamName=name, RetentionPeriodHours=8761)
    with refused(
        "InvalidArgumentException",
        f"Requested retention period (24 hours) for stream {name} can not be shorter than existing retention period "
        "(48 hours). Use DecreaseRetentionPeriod API.",
    ):
        kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=24)
    with refused(
        "InvalidArgumentException",
        f"Requested retention period (72 hours) for stream {name} can not be longer than existing retention period "
        "(48 hours). Use IncreaseRetentionPeriod API.",
    ):
        kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=72)


def test_an_explicit_hash_key_that_is_none(kinesis, stream):
    """API-PutRecord-2, API-PutRecords-1: nothing of the request is written."""
    name = stream()
    text = f"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {2**128}"
    with refused("InvalidArgumentException", text):
        kinesis.put_record(StreamName=name, Data=b"x", PartitionKey="k", ExplicitHashKey=str(2**128))
    with refused("InvalidArgumentException", text):
        kinesis.put_records(
            StreamName=name, Records=[
                {"Data": b"good", "PartitionKey": "k", "ExplicitHashKey": str(MAX_HASH)},
                {"Data": b"x", "PartitionKey": "k", "ExplicitHashKey": str(2**128)}])
    assert read_all(kinesis, iterator(kinesis, name))[0] == []


def test_a_number_for_ordering_that_is_none(kinesis, stream):
    """API-PutRecord-3, API-Q-6."""
    name = stream()
    (put_,) = put(kinesis, name, b"x")
    number = Number.parse(put_["SequenceNumber"])
    bad = [
        str(2**124 + 3),
        Number(number.created, 2**63 - 1, number.arrived + 10_000, 0).text,
        Number(16025175000, 1, number.arrived, 0).text,
    ]
    for text in bad:
        with refused(
            "InvalidArgumentException",
            f"ExclusiveMinimumSequenceNumber {text} used in PutRecord on stream {name} under account {ACCOUNT} is "
            "invalid.",
        ):
            put(kinesis, name, b"x", SequenceNumberForOrdering=text)
    for text in (put_["SequenceNumber"], "0", "5"):
        (later,) = put(kinesis, name, b"x", SequenceNumberForOrdering=text)
        assert later["SequenceNumber"] > put_["SequenceNumber"]


def test_a_record_larger_than_the_stream_takes(kinesis, stream):
    """API-PutRecord-4, API-PutRecords-1: data alone counts, up to the last byte."""
    name = stream()
    limit = 1048576
    put(kinesis, name, bytes(limit), key="k" * 256)
    text = "1 validation error detected: Value at '{}' failed to satisfy constraint: " \
        f"Member must have length less than or equal to {limit}"
    with refused("ValidationException", text.format("data")):
        put(kinesis, name, bytes(limit + 1))
    with refused("ValidationException", text.format("records.2.member.data")):
        kinesis.put_records(
            StreamName=name, Records=[
                {"Data": b"good", "PartitionKey": "k"}, {"Data": bytes(limit + 1), "PartitionKey": "k"}])
    assert [len(r["Data"]) for r in read_all(kinesis, iterator(kinesis, name))[0]] == [limit]


def test_too_much_in_one_request(kinesis):
    """API-PutRecords-2: more than 10 MiB with the keys."""
    name = create(kinesis, MaxRecordSizeInKiB=10240)
    whole = [{"Data": bytes(5 * 1048576 - 1), "PartitionKey": "k"}] * 2
    kinesis.put_records(StreamName=name, Records=whole)
    with refused("InvalidArgumentException", "Records size exceeds 10 MB limit"):
        kinesis.put_records(StreamName=name, Records=whole + [{"Data": b"", "PartitionKey": "k"}])
    assert len(read_all(kinesis, iterator(kinesis, name))[0]) == 2


def test_a_record_without_partition_key(kinesis, stream):
    """API-U-1: refused on a stream of keys."""
    name = stream()
    for path, call in (
        ("partitionKey", lambda: kinesis.put_record(StreamName=name, Data=b"x")),
        ("records.1.member.partitionKey", lambda: kinesis.put_records(StreamName=name, Records=[{"Data": b"x"}])),
    ):
        with refused(
            "ValidationException",
            f"1 validation error detected: {violation(None, path, NOT_NULL)}",
        ):
            call()


def test_auto_needs_an_on_demand_stream(kinesis, stream):
    """API-U-1."""
    with refused("InvalidArgumentException"):
        kinesis.create_stream(StreamName="auto-provisioned", ShardCount=1, RecordDistributionStrategy="AUTO")
    name = stream()
    with refused("InvalidArgumentException"):
        kinesis.update_stream_record_distribution_strategy(
            StreamARN=arn(name), RecordDistributionStrategy="AUTO")


def test_resharding_that_can_not_be(kinesis, stream):
    """API-Reshard-1 to API-Reshard-4, API-N-6."""
    name = stream(shards=3)
    where = f"in stream {name} under account {ACCOUNT}"
    for shard, shown in (("shardId-000000000007", shard_id(7)), ("7", shard_id(7))):
        text = f"Could not find shard {shown} {where}."
        with refused("ResourceNotFoundException", text):
            kinesis.split_shard(StreamName=name, ShardToSplit=shard, NewStartingHashKey="5")
        with refused("ResourceNotFoundException", text):
            kinesis.merge_shards(StreamName=name, ShardToMerge=SHARD, AdjacentShardToMerge=shard)
    with refused("ResourceNotFoundException", f"Could not find shard none {where}."):
        kinesis.split_shard(StreamName=name, ShardToSplit="none", NewStartingHashKey="5")
    end = 2**128 // 3 - 1
    for key in (0, 1, end, end + 1, MAX_HASH):
        with refused(
            "InvalidArgumentException",
            f"NewStartingHashKey {key} used in SplitShard() on shard {SHARD} {where} is not both greater than one plus "
            f"the shard's StartingHashKey 0 and less than the shard's EndingHashKey {end}.",
        ):
            kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey=str(key))
    for first, second in ((0, 2), (1, 0), (0, 0)):
        with refused(
            "InvalidArgumentException",
            f"Shards {shard_id(first)} and {shard_id(second)} {where} are not an adjacent pair of shards eligible for "
            "merging",
        ):
            kinesis.merge_shards(
                StreamName=name, ShardToMerge=shard_id(first), AdjacentShardToMerge=shard_id(second))
    kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey="2")
    wait_active(kinesis, name)
    text = (
        f"Shard {SHARD} {where} has already been merged or split, and thus is not eligible for merging or splitting.")
    with refused("InvalidArgumentException", text):
        kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey="10")
    with refused("InvalidArgumentException", text):
        kinesis.merge_shards(StreamName=name, ShardToMerge=SHARD, AdjacentShardToMerge=shard_id(1))


def test_on_demand_streams_are_not_resharded_by_hand(kinesis):
    """API-UpdateStreamMode-2."""
    name = create(kinesis, shards=None)
    text = f"Request is invalid. Stream {name} under account {ACCOUNT} is in On-Demand mode."
    for operation in ("split_shard", "merge_shards", "update_shard_count"):
        with refused("ValidationException", text):
            getattr(kinesis, operation)(StreamName=name, **BY_NAME[operation])


def test_tags_with_characters_that_are_not_allowed(kinesis, stream):
    """API-Tags-1."""
    name = stream()
    first = "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @."
    second = (
        f"Failed to add tags to stream {name} under account {ACCOUNT} because some tags contained illegal characters. "
        "The allowed characters are Unicode letters, white-spaces, '_',',','/','=','+','-','@'.")
    for bad in (",", ";", "\t", "a\n", "€", "(", "#"):
        for tags in ({bad: "v"}, {"k": bad}):
            with refused("InvalidArgumentException", first):
                kinesis.add_tags_to_stream(StreamName=name, Tags=tags)
    for tags in ({"%": "v"}, {"k": "5%"}):
        with refused("InvalidArgumentException", second):
            kinesis.add_tags_to_stream(StreamName=name, Tags=tags)
    with refused("InvalidArgumentException"):
        kinesis.add_tags_to_stream(StreamName=name, Tags={"aws:mine": "v"})
    kinesis.add_tags_to_stream(StreamName=name, Tags={"Größe ü_./=+-@9": "日本 x"})
    assert [tag["Key"] for tag in kinesis.list_tags_for_stream(StreamName=name)["Tags"]] == ["Größe ü_./=+-@9"]


def test_too_many_tags(kinesis, stream):
    """API-Tags-2: all or nothing."""
    name = stream()
    kinesis.add_tags_to_stream(StreamName=name, Tags={f"k{i}": "v" for i in range(49)})
    text = (
        f"Failed to add tags to stream {name} under account {ACCOUNT} because a given stream cannot have more than 10 "
        "tags associated with it.")
    with refused("InvalidArgumentException", text):
        kinesis.add_tags_to_stream(StreamName=name, Tags={"x": "v", "y": "v"})
    assert len(kinesis.list_tags_for_stream(StreamName=name)["Tags"]) == 49
    kinesis.add_tags_to_stream(StreamName=name, Tags={"k0": "other", "x": "v"})


def test_consumers_that_can_not_be(kinesis, stream):
    """API-RegisterStreamConsumer-1, API-Consumer-1."""
    name = stream()
    consumer = kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName="c")["Consumer"]["ConsumerARN"]
    with refused("ResourceInUseException", f"Consumer c under stream {name} already exists for account {ACCOUNT}."):
        kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName="c")
    other = f"{arn(name)}/consumer/d:1"
    for operation in ("describe_stream_consumer", "deregister_stream_consumer"):
        call = getattr(kinesis, operation)
        with refused("ResourceNotFoundException", f"Consumer d, account {ACCOUNT} not found."):
            call(StreamARN=arn(name), ConsumerName="d")
        with refused("ResourceNotFoundException", f"Consumer {other}, account {ACCOUNT} not found."):
            call(ConsumerARN=other)
        for incomplete in ({}, {"StreamARN": arn(name)}, {"ConsumerName": "c"}):
            with refused("InvalidArgumentException"):
                call(**incomplete)
        with refused("InvalidArgumentException"):
            call(ConsumerARN=consumer, StreamARN=arn(name), ConsumerName="d")


def test_too_many_consumers(kinesis, stream):
    """API-RegisterStreamConsumer-2, API-L-5: twenty by stream."""
    name = stream()
    for number in range(20):
        kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName=f"c{number}")
        eventually(
            lambda: kinesis.describe_stream_consumer(
                StreamARN=arn(name), ConsumerName=f"c{number}")["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE",
            "the consumer is ACTIVE")
    with refused("LimitExceededException"):
        kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName="c20")


def test_policies_that_can_not_be(kinesis, stream):
    """API-PutResourcePolicy-1."""
    name = stream()
    text = f"No resource policy found for resource ARN {arn(name)}."
    for call in (kinesis.get_resource_policy, kinesis.delete_resource_policy):
        with refused("ResourceNotFoundException", text):
            call(ResourceARN=arn(name))
    for policy in ("no JSON", '{"a": "%s"}' % ("x" * 20480)):
        with refused("InvalidArgumentException"):
            kinesis.put_resource_policy(ResourceARN=arn(name), Policy=policy)


def test_encryption_that_can_not_be(kinesis, stream):
    """API-Encryption-1."""
    name = stream()
    with refused("InvalidArgumentException"):
        kinesis.start_stream_encryption(StreamName=name, EncryptionType="NONE", KeyId="alias/aws/kinesis")


def test_shards_of_a_stream_and_of_a_token(kinesis, stream):
    """API-ListShards-1."""
    name = stream(shards=3)
    with refused("InvalidArgumentException", "Either NextToken or StreamName should be provided."):
        kinesis.list_shards()
    token = kinesis.list_shards(StreamName=name, MaxResults=1)["NextToken"]
    with refused("InvalidArgumentException", "NextToken and StreamName cannot be provided together."):
        kinesis.list_shards(StreamName=name, NextToken=token)
    with refused("InvalidArgumentException"):
        kinesis.list_shards(NextToken="never given")
    for shard_filter in ({"Type": "AFTER_SHARD_ID"}, {"Type": "AT_TIMESTAMP"}, {"Type": "FROM_TIMESTAMP"}):
        with refused("InvalidArgumentException"):
            kinesis.list_shards(StreamName=name, ShardFilter=shard_filter)
    future = datetime.datetime.now() + datetime.timedelta(hours=1)
    for kind in ("AT_TIMESTAMP", "FROM_TIMESTAMP"):
        with refused("InvalidArgumentException"):
            kinesis.list_shards(StreamName=name, ShardFilter={"Type": kind, "Timestamp": future})


def test_validation_reaches_boto3(kinesis):
    """API-E-21: a set of violations."""
    with pytest.raises(kinesis.exceptions.ClientError) as error:
        kinesis.create_stream(StreamName="", ShardCount=0)
    found = error.value.response["Error"]
    assert found["Code"] == "ValidationException"
    assert violations(found["Message"]) == {
        violation("", "streamName", "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
        violation("", "streamName", "Member must have length greater than or equal to 1"),
        violation(0, "shardCount", "Member must have value greater than or equal to 1"),
    }
    assert re.match(r"3 validation errors detected: ", found["Message"])
