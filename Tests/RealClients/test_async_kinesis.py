"""async-kinesis, a client that others wrote: its producer, its consumer, its processors and checkpoints. On aiobotocore,
in an environment of its own."""
import asyncio
import itertools
import os

import pytest

kinesis = pytest.importorskip("kinesis", reason="the environment async has it")
from aiobotocore.session import AioSession  # noqa: E402
from kinesis import Consumer, MemoryCheckPointer, Producer  # noqa: E402
from kinesis.processors import (  # noqa: E402
    JsonLineProcessor, JsonProcessor, KPLJsonProcessor, KPLStringProcessor, StringProcessor)

from support.server import PATIENCE, REGION  # noqa: E402

numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def name():
    return f"async-{next(numbers)}"


def client(server):
    return AioSession().create_client("kinesis", endpoint_url=server.endpoint, region_name=REGION)


async def active(api, name):
    for _ in range(PATIENCE * 50):
        found = await api.describe_stream_summary(StreamName=name)
        if found["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE":
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{name} is not ACTIVE")


async def take(consumer, count):
    """The next items. A consumer ends where it was idle for a while, and is asked again."""
    items = []
    async with asyncio.timeout(PATIENCE):
        while len(items) < count:
            async for item in consumer:
                items.append(item)
                if len(items) >= count:
                    break
    return items


def options(server, **more):
    return {
        "endpoint_url": server.endpoint, "region_name": REGION, **more}


def consuming(server, **more):
    # It asks a shard this often where nothing came; its defaults suit Amazon's limits.
    return options(server, sleep_time_no_records=0.05, idle_timeout=0.2, shard_fetch_rate=100, **more)


@pytest.mark.parametrize("processor, aggregates", [
    (JsonProcessor, False), (JsonLineProcessor, True), (KPLJsonProcessor, True)])
@pytest.mark.parametrize("uses_list_shards", [False, True])
def test_items_come_back_in_order(server, name, processor, aggregates, uses_list_shards):
    """Its producer makes the stream; its consumer takes all items apart again, in order of their puts."""
    items = [{"number": number, "text": "ü" * 10} for number in range(500)]

    async def run():
        async with Producer(
            name, create_stream=True, create_stream_shards=1, processor=processor(), buffer_time=0.05,
            use_list_shards=uses_list_shards, **options(server),
        ) as producer:
            for item in items:
                await producer.put(item)
            await producer.flush()
        async with Consumer(
            name, processor=processor(), use_list_shards=uses_list_shards, **consuming(server)) as consumer:
            found = await take(consumer, len(items))
        assert found == items
        async with client(server) as api:
            position = await api.get_shard_iterator(
                StreamName=name, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")
            records = (await api.get_records(ShardIterator=position["ShardIterator"]))["Records"]
        assert (len(records) < len(items)) == aggregates

    asyncio.run(run())


@pytest.mark.parametrize("processor", [StringProcessor, KPLStringProcessor])
def test_texts_over_several_shards(server, name, processor):
    """All items, over shards that its consumer divides among tasks."""
    items = {f"item {number}" for number in range(300)}

    async def run():
        async with Producer(
            name, create_stream=True, create_stream_shards=3, processor=processor(), **options(server)
        ) as producer:
            for item in sorted(items):
                await producer.put(item)
            await producer.flush()
        async with Consumer(name, processor=processor(), **consuming(server)) as consumer:
            assert set(await take(consumer, len(items))) == items

    asyncio.run(run())


def test_a_consumer_follows_shards_to_their_children(server, name):
    """API-T-7, API-T-8: it reads ChildShards; a key's items keep their order over a split and a merge."""

    async def run():
        async with client(server) as api:
            await api.create_stream(StreamName=name, ShardCount=1)
            await active(api, name)
            first, second = "shardId-000000000001", "shardId-000000000002"
            async with Producer(name, processor=JsonProcessor(), buffer_time=0.05, **options(server)) as producer:
                for number in range(50):
                    await producer.put(number, partition_key="key")
                await producer.flush()
                await api.split_shard(
                    StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
                await active(api, name)
                for number in range(50, 100):
                    await producer.put(number, partition_key="key")
                await producer.flush()
                await api.merge_shards(StreamName=name, ShardToMerge=first, AdjacentShardToMerge=second)
                await active(api, name)
                for number in range(100, 150):
                    await producer.put(number, partition_key="key")
                await producer.flush()
            async with Consumer(name, processor=JsonProcessor(), **consuming(server)) as consumer:
                assert await take(consumer, 150) == list(range(150))

    asyncio.run(run())


def test_a_checkpoint_outlives_a_restart(serve, name):
    """API-T-5, API-K-6: the consumer goes on with the checkpoint's number at the server that was started again."""
    server = serve()
    checkpoints = MemoryCheckPointer(name="test")

    async def produce(items):
        async with Producer(
            name, create_stream=True, processor=StringProcessor(), buffer_time=0.05, **options(server)) as producer:
            for item in items:
                await producer.put(item)
            await producer.flush()

    async def consume(count):
        async with Consumer(
            name, processor=StringProcessor(), checkpointer=checkpoints, **consuming(server)) as consumer:
            found = await take(consumer, count)
            # Asked once more it checkpoints what it gave.
            async for item in consumer:
                found.append(item)
            return found

    asyncio.run(produce(["1", "2", "3"]))
    assert asyncio.run(consume(3)) == ["1", "2", "3"]
    server.kill()
    server.start()
    asyncio.run(produce(["4", "5"]))
    assert asyncio.run(consume(2)) == ["4", "5"]


def test_a_throttled_producer_loses_nothing(serve, name):
    """API-L-1, API-L-3, API-PutRecords-3: it backs off on the code of each record, and puts those again."""
    server = serve("--enforce-limits")

    async def run():
        async with Producer(
            name, create_stream=True, create_stream_shards=1, processor=StringProcessor(), buffer_time=0.01,
            put_rate_limit_per_shard=10_000, put_bandwidth_limit_per_shard=100_000, **options(server),
        ) as producer:
            for number in range(2500):
                await producer.put(f"{number}")
            while producer.queue.qsize() or producer.overflow:
                await producer.flush()
        async with Consumer(
            name, processor=StringProcessor(), **options(
                server, sleep_time_no_records=0.3, idle_timeout=1)) as consumer:
            found = await take(consumer, 2500)
        assert {int(item) for item in found} == set(range(2500))

    asyncio.run(run())
