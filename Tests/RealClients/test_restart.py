"""The server is killed while clients put and read, and started again on the same store."""
import concurrent.futures
import contextlib
import os
import random
import threading

import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from support.server import Server, eventually
from support.streams import arn, create, iterator, shards_of, wait_active
from support.values import hash_range, is_open, shard_id

# `make soak` sets more.
ROUNDS = int(os.environ.get("SHARDLINE_RESTARTS", "2"))
KEYS = [f"key-{number}" for number in range(6)]


class Writer:
    """Puts numbered records of one key, one call after the other, over all restarts. What fails is put again, so records
    may be doubled (API-PutRecord-6), never missing."""

    def __init__(self, name, key):
        self.name, self.key = name, key
        self.acknowledged = []

    def run(self, client, stop):
        number = len(self.acknowledged)
        while not stop.is_set():
            count = 1 if number % 2 else 5
            wanted = list(range(number, number + count))
            try:
                answer = client.put_records(StreamName=self.name, Records=[
                    {"Data": b"%s:%d" % (self.key.encode(), n), "PartitionKey": self.key} for n in wanted])
            except (BotoCoreError, ClientError):
                stop.wait(0.01)
                continue
            entries = answer["Records"]
            if any("ErrorCode" in entry for entry in entries):
                continue
            self.acknowledged += [(n, e["ShardId"], e["SequenceNumber"]) for n, e in zip(wanted, entries)]
            number += count


class Reader:
    """Reads a shard by its iterators over all restarts: each answer's iterator outlives the server that gave it."""

    def __init__(self, name, shard):
        self.name, self.shard, self.position, self.records = name, shard, None, []

    def run(self, client, stop):
        while not stop.is_set() and self.position != "end":
            try:
                if self.position is None:
                    self.position = iterator(client, self.name, self.shard)
                answer = client.get_records(ShardIterator=self.position, Limit=50)
            except (BotoCoreError, ClientError) as error:
                code = error.response["Error"]["Code"] if isinstance(error, ClientError) else None
                assert code in (None, "InternalFailure", "503"), error
                stop.wait(0.01)
                continue
            self.records += answer["Records"]
            self.position = answer.get("NextShardIterator") or "end"


class Subscriber:
    """Subscribes to a shard over all restarts, each time after the number that its last event continues with."""

    def __init__(self, consumer, shard):
        self.consumer, self.shard, self.records = consumer, shard, []
        self.position = {"Type": "TRIM_HORIZON"}

    def run(self, client, stop):
        while not stop.is_set() and self.position != "end":
            try:
                events = client.subscribe_to_shard(
                    ConsumerARN=self.consumer, ShardId=self.shard, StartingPosition=self.position)["EventStream"]
                with contextlib.closing(events):
                    for event in events:
                        event = event["SubscribeToShardEvent"]
                        self.records += event["Records"]
                        number = event.get("ContinuationSequenceNumber")
                        self.position = {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number} if number else "end"
                        if stop.is_set() or not number:
                            break
            except (BotoCoreError, ClientError, urllib3.exceptions.HTTPError):
                stop.wait(0.01)


def parsed(record):
    key, number = record["Data"].decode().split(":")
    assert record["PartitionKey"] == key
    return key, int(number)


def everything(client, name):
    """All records of all shards, with the shard; parents before their children, whose numbers are greater."""
    found = []
    for shard in shards_of(client, name):
        position = iterator(client, name, shard["ShardId"])
        while position:
            answer = client.get_records(ShardIterator=position)
            found += [(shard["ShardId"], record) for record in answer["Records"]]
            if not answer["Records"] and answer["MillisBehindLatest"] == 0:
                break
            position = answer.get("NextShardIterator")
    return found


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path):
    """API-PutRecord-1, API-PutRecords-4, API-T-1, API-Q-1, API-R-3: no acknowledged record is missing and none has another
    number; order holds for each key; iterators, numbers and subscriptions from before go on (API-F-6)."""
    random_ = random.Random(ROUNDS)
    server = Server(tmp_path / "store", "--no-subscribe-guard").start()
    try:
        client = server.boto(pool=32, timeout=5)
        name = create(client, shards=2)
        created = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        client.add_tags_to_stream(StreamName=name, Tags={"kept": "yes"})
        writers = [Writer(name, key) for key in KEYS]
        consumer = client.register_stream_consumer(StreamARN=arn(name), ConsumerName="c")["Consumer"]["ConsumerARN"]
        eventually(
            lambda: client.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"]
            == "ACTIVE", "the consumer is ACTIVE")
        readers = [Reader(name, shard_id(index)) for index in range(2)]
        readers += [Subscriber(consumer, shard_id(index)) for index in range(2)]
        for round_ in range(ROUNDS):
            stop = threading.Event()
            before = sum(len(writer.acknowledged) for writer in writers)
            with concurrent.futures.ThreadPoolExecutor(32) as pool:
                tasks = [pool.submit(worker.run, client, stop) for worker in [*writers, *readers]]
                try:
                    # The kill comes in the middle: after some hundreds of records, at no particular place.
                    enough = before + random_.randint(200, 600)
                    eventually(
                        lambda: sum(len(w.acknowledged) for w in writers) > enough or any(t.done() for t in tasks),
                        "records are put")
                    if round_ % 2:
                        opened = next(filter(is_open, shards_of(client, name)))
                        low, high = hash_range(opened)
                        client.split_shard(
                            StreamName=name, ShardToSplit=opened["ShardId"],
                            NewStartingHashKey=str((low + high) // 2 + 2))
                    server.kill()
                    server.start()
                    # Clients go on by themselves, with what they had before.
                    enough = sum(len(writer.acknowledged) for writer in writers) + 100
                    eventually(
                        lambda: sum(len(w.acknowledged) for w in writers) > enough or any(
                            t.done() and t.exception() for t in tasks), "records are put after the restart")
                finally:
                    stop.set()
                for task in tasks:
                    task.result()
            wait_active(client, name)
            check(client, name, writers, readers)
        after = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        assert after["StreamCreationTimestamp"] == created["StreamCreationTimestamp"]
        assert client.list_tags_for_stream(StreamName=name)["Tags"] == [{"Key": "kept", "Value": "yes"}]
        server.stop()
    finally:
        server.kill()


def check(client, name, writers, readers):
    records = everything(client, name)
    places = {(shard, record["SequenceNumber"]): parsed(record) for shard, record in records}
    assert len(places) == len(records)
    for writer in writers:
        # Each acknowledged record is where its answer said.
        for number, shard, text in writer.acknowledged:
            assert places.get((shard, text)) == (writer.key, number), (number, shard, text)
        # In the order of the puts: doubles of a put that was not answered may stand between, each a whole step back.
        mine = [number for _, record in records for key, number in [parsed(record)] if key == writer.key]
        assert sorted(set(mine)) == list(range(max(mine) + 1)) if mine else True
        latest = -1
        for number in mine:
            assert number <= latest + 1, f"{writer.key}: {number} follows {latest}"
            latest = max(latest, number)
    for reader in readers:
        whole = [record["SequenceNumber"] for shard, record in records if shard == reader.shard]
        got = [record["SequenceNumber"] for record in reader.records]
        assert got == whole[:len(got)], reader.shard
    # A number from before the restart still names its place.
    number, shard, text = writers[0].acknowledged[len(writers[0].acknowledged) // 2]
    position = iterator(client, name, shard, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=text)
    (record,) = client.get_records(ShardIterator=position, Limit=1)["Records"]
    assert record["SequenceNumber"] == text and parsed(record) == (writers[0].key, number)
