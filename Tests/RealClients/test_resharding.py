"""Hash keys, sequence numbers and resharding: values that clients compute themselves must equal the server's."""
import concurrent.futures
import random
import threading

import pytest

from support.streams import iterator, put, read_all, shards_of, wait_active
from support.values import MAX_HASH, Number, covers_all, hash_key, hash_range, is_open, shard_id, uniform_ranges


def reshard(kinesis, operation, name, **options):
    getattr(kinesis, operation)(StreamName=name, **options)
    wait_active(kinesis, name)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 16, 100])
def test_ranges_of_a_new_stream(kinesis, stream, count):
    """API-H-2: equal widths, the last shard takes the rest."""
    shards = shards_of(kinesis, stream(shards=count))
    assert [hash_range(shard) for shard in shards] == uniform_ranges(count)
    assert covers_all(shards)


def test_records_go_where_their_hash_key_says(kinesis, stream):
    """API-H-1, API-B-19 and API-V-1: as a producer predicts it, which sends the explicit hash key (KPL)."""
    name = stream(shards=3)
    ranges = uniform_ranges(3)
    vectors = {"a": 0, "b": 1, "partition-1": 1, "ü": 2}
    keys = [*vectors, *(f"key-{i}" for i in range(200)), "日本", "😀", "x" * 256]
    answers = kinesis.put_records(
        StreamName=name, Records=[{"Data": b"x", "PartitionKey": key} for key in keys])["Records"]
    for key, answer in zip(keys, answers):
        predicted = next(i for i, (low, high) in enumerate(ranges) if low <= hash_key(key) <= high)
        assert answer["ShardId"] == shard_id(predicted), key
        assert vectors.get(key, predicted) == predicted
    for low, high in ranges:
        for explicit in (low, high):
            answer = kinesis.put_record(
                StreamName=name, Data=b"x", PartitionKey="b", ExplicitHashKey=str(explicit))
            assert answer["ShardId"] == shard_id(ranges.index((low, high)))


def test_numbers_are_built_as_clients_take_them_apart(kinesis, stream):
    """API-Q-1 to API-Q-8, for KCL's SequenceNumberValidator and others: 186 bits, the shard inside, text order."""
    name = stream(shards=17)
    created = int(kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"][
        "StreamCreationTimestamp"].timestamp())
    shard = shards_of(kinesis, name)[16]
    start = Number.parse(shard["SequenceNumberRange"]["StartingSequenceNumber"])
    assert start.index == 0 and start.shard == 16 and start.created == start.arrived
    # A second that another shard of this number has is left out, and an earlier one taken (API-Q-8).
    assert created - 600 < start.created <= created + 1
    answers = put(kinesis, name, *[b"x"] * 20, ExplicitHashKey=str(MAX_HASH))
    numbers = [answer["SequenceNumber"] for answer in answers]
    assert numbers == sorted(set(numbers)) and [int(n) for n in numbers] == sorted(int(n) for n in numbers)
    records, _ = read_all(kinesis, iterator(kinesis, name, shard_id(16)))
    for text, record in zip(numbers, records):
        number = Number.parse(text)
        assert number.text == text and int(text).bit_length() == 186
        assert number.shard == 16 and number.created == start.created and number.index >= 1
        assert number.arrived == int(record["ApproximateArrivalTimestamp"].timestamp())
    assert Number.parse(numbers[0]).text > shard["SequenceNumberRange"]["StartingSequenceNumber"]


def test_ends_and_children(kinesis, stream):
    """API-Q-4, API-Q-5, API-R-1: a child's numbers are greater than all of its parent."""
    name = stream()
    (last,) = put(kinesis, name, b"x")
    reshard(kinesis, "split_shard", name, ShardToSplit=shard_id(0), NewStartingHashKey="1000")
    parent, low, high = shards_of(kinesis, name)
    assert (hash_range(low), hash_range(high)) == ((0, 999), (1000, MAX_HASH))
    assert low["ParentShardId"] == high["ParentShardId"] == shard_id(0)
    assert "AdjacentParentShardId" not in low
    assert not is_open(parent) and is_open(low) and is_open(high)
    end = Number.parse(parent["SequenceNumberRange"]["EndingSequenceNumber"])
    assert end.index == 2**63 - 1 and end.text > last["SequenceNumber"]
    for child in (low, high):
        start = Number.parse(child["SequenceNumberRange"]["StartingSequenceNumber"])
        assert start.created > end.created and start.text > end.text
    # Again at once: creation seconds run ahead of the clock (API-Q-5).
    reshard(kinesis, "merge_shards", name, ShardToMerge=shard_id(1), AdjacentShardToMerge=shard_id(2))
    merged = shards_of(kinesis, name)[3]
    assert hash_range(merged) == (0, MAX_HASH)
    assert merged["ParentShardId"] == shard_id(1) and merged["AdjacentParentShardId"] == shard_id(2)
    start = Number.parse(merged["SequenceNumberRange"]["StartingSequenceNumber"])
    for parent in shards_of(kinesis, name)[1:3]:
        assert start.text > parent["SequenceNumberRange"]["EndingSequenceNumber"]
    (answer,) = put(kinesis, name, b"y")
    number = Number.parse(answer["SequenceNumber"])
    assert number.created == start.created and number.arrived >= number.created


@pytest.mark.parametrize("steps", [(2, 4, 3), (5, 3, 6, 6), (1, 2, 1), (4, 7, 13, 7, 4)])
def test_the_number_of_shards_gives_uniform_ranges(kinesis, stream, steps):
    """API-UpdateShardCount-2, API-UpdateShardCount-3, API-R-6, API-B-13: also the second and third time."""
    name = stream(shards=steps[0])
    for before, target in zip(steps, steps[1:]):
        answer = kinesis.update_shard_count(
            StreamName=name, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
        assert (answer["CurrentShardCount"], answer["TargetShardCount"]) == (before, target)
        wait_active(kinesis, name)
        shards = shards_of(kinesis, name)
        opened = sorted(map(hash_range, filter(is_open, shards)))
        # A boundary that is there already may stay where a shard between would hold one or two hash keys (API-R-1).
        assert covers_all(filter(is_open, shards)) and len(opened) == target
        for found, wanted in zip(opened, uniform_ranges(target)):
            assert all(abs(a - b) <= 2 for a, b in zip(found, wanted))
        for shard in shards:
            parents = [shard[k] for k in ("ParentShardId", "AdjacentParentShardId") if k in shard]
            assert len(parents) <= 2
            assert all(int(parent[-12:]) < int(shard["ShardId"][-12:]) for parent in parents)


def parents_of(shard):
    return [shard[name] for name in ("ParentShardId", "AdjacentParentShardId") if name in shard]


def read_in_order(kinesis, name):
    """All records as a consumer reads them: a shard after its parents."""
    shards = {shard["ShardId"]: shard for shard in shards_of(kinesis, name)}
    done, records = set(), []
    while len(done) < len(shards):
        ready = [s for s in shards if s not in done and all(p in done for p in parents_of(shards[s]) if p in shards)]
        for shard in ready:
            found, last = read_all(kinesis, iterator(kinesis, name, shard))
            assert ("NextShardIterator" in last) == is_open(shards[shard])
            records += found
            done.add(shard)
    return records


def test_order_holds_while_shards_are_split_and_merged(server, kinesis, stream):
    """API-R-3, API-R-5, API-H-3, API-H-1: no put fails, no acknowledged record is lost or doubled, each key's records
    stand in the order of their puts over parents and children."""
    name = stream(shards=2)
    client = server.boto(pool=12)
    keys, stop, failures = [f"key-{i}" for i in range(8)], threading.Event(), []
    acknowledged = {key: [] for key in keys}

    def write(key):
        number = 0
        while not stop.is_set():
            try:
                if number % 3:
                    client.put_record(StreamName=name, Data=b"%s:%d" % (key.encode(), number), PartitionKey=key)
                    acknowledged[key].append(number)
                else:
                    answer = client.put_records(StreamName=name, Records=[
                        {"Data": b"%s:%d" % (key.encode(), n), "PartitionKey": key} for n in (number, number + 1)])
                    assert answer["FailedRecordCount"] == 0, answer
                    acknowledged[key] += [number, number + 1]
                    number += 1
                number += 1
            except Exception as error:  # noqa: BLE001 - whatever fails is reported by the test
                failures.append(error)
                return

    def watch():
        while not stop.is_set():
            shards = client.list_shards(StreamName=name, ShardFilter={"Type": "AT_LATEST"})["Shards"]
            if not covers_all(shards):
                failures.append(f"a hole: {shards}")

    random_ = random.Random(16)
    with concurrent.futures.ThreadPoolExecutor(len(keys) + 1) as pool:
        for key in keys:
            pool.submit(write, key)
        pool.submit(watch)
        try:
            for step in range(12):
                opened = sorted(filter(is_open, shards_of(kinesis, name)), key=hash_range)
                if step % 4 == 3:
                    kinesis.update_shard_count(
                        StreamName=name, TargetShardCount=3, ScalingType="UNIFORM_SCALING")
                elif step % 2 == 0:
                    shard = random_.choice(opened)
                    low, high = hash_range(shard)
                    kinesis.split_shard(
                        StreamName=name, ShardToSplit=shard["ShardId"], NewStartingHashKey=str((low + high) // 2 + 2))
                else:
                    place = random_.randrange(len(opened) - 1)
                    kinesis.merge_shards(
                        StreamName=name, ShardToMerge=opened[place]["ShardId"],
                        AdjacentShardToMerge=opened[place + 1]["ShardId"])
                wait_active(kinesis, name)
        finally:
            stop.set()
    assert failures == []
    found = {key: [] for key in keys}
    for record in read_in_order(kinesis, name):
        key, number = record["Data"].decode().split(":")
        assert record["PartitionKey"] == key
        found[key].append(int(number))
    assert found == acknowledged
    assert min(map(len, found.values())) > 10


def test_parallel_writers_lose_nothing(server, stream):
    """API-B-8, API-PutRecord-1: 64 writers; each one's records keep their order, and a put that began after another's
    answer has the greater number."""
    name = stream(shards=2)
    client = server.boto(pool=64)
    latest, lock, violations = {}, threading.Lock(), []

    def write(writer):
        mine = []
        for number in range(20):
            with lock:
                before = dict(latest)
            answer = client.put_record(
                StreamName=name, Data=b"%d:%d" % (writer, number), PartitionKey=f"writer-{writer}")
            shard, text = answer["ShardId"], answer["SequenceNumber"]
            with lock:
                if before.get(shard, "") >= text:
                    violations.append((shard, before[shard], text))
                latest[shard] = max(latest.get(shard, ""), text)
            mine.append((shard, text))
        return mine

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(write, range(64)))
    assert violations == []
    records = [
        (shard["ShardId"], record) for shard in shards_of(client, name)
        for record in read_all(client, iterator(client, name, shard["ShardId"]))[0]]
    assert len(records) == 64 * 20
    for writer, mine in enumerate(answers):
        found = [
            (shard, record["SequenceNumber"]) for shard, record in records
            if record["Data"].startswith(b"%d:" % writer)]
        assert found == mine
