#!/usr/bin/env python3
"""What of a store's directory is whole, told by nothing but Documentation/Formats.

Prints one JSON object: "records" has every record as [shard key, number, arrival ms, key, data as hex], "holders" which
bytes hold which of them: {"file", "first", "end", "kind": block | commit | index | spare, "records": [[shard key, first, last]]}.
With a second argument, the time in ms, also "streams", "shards", "mappings" and "attributes": what the metadata say of them, and which
records have not expired. It goes by the rows alone, so the store must have been closed.
Uses Python's standard library only and shares no code with the store.
"""
import json
import os
import sqlite3
import struct
import sys

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ 0x82F63B78 if n & 1 else n >> 1
    TABLE.append(n)


def crc32c(data, seed=0):
    crc = seed ^ 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def need(condition, what):
    if not condition:
        raise ValueError(what)


def lz4(data, size):
    """LZ4's block format: literals and matches by turns."""
    out, at = bytearray(), 0

    def length(nibble):
        nonlocal at
        while nibble == 15 or nibble > 15:
            more = data[at]
            at += 1
            nibble += more
            if more < 255:
                break
        return nibble

    while at < len(data):
        token = data[at]
        at += 1
        count = length(token >> 4)
        out += data[at:at + count]
        at += count
        if at >= len(data):
            break
        offset = data[at] | data[at + 1] << 8
        at += 2
        need(0 < offset <= len(out), "a match before the beginning")
        for _ in range(length(token & 15) + 4):
            out.append(out[-offset])
    need(len(out) == size, "another length than was said")
    return bytes(out)


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def frame(head, at, container, s):
    """An entry of kind 1 at `at` of `head`, whose body lies in `container`: its runs with their records."""
    kind, codec, _, size = struct.unpack_from("<BBHI", head, at)
    offset, stored, raw_size, checksum, records, runs = struct.unpack_from("<6I", head, at + 8)
    need(kind == 1 and size == 32 + 32 * runs, "no frame")
    body = container[offset:offset + stored]
    need(len(body) == stored and crc32c(body, s) == checksum, "a body's checksum")
    raw = lz4(body, raw_size) if codec == 1 else body
    found = []
    for index in range(runs):
        shard, count, first, arrival, start, length = struct.unpack_from("<IIQqII", head, at + 32 + 32 * index)
        place, run = start, []
        for number in range(first, first + count):
            flags, place = varint(raw, place)
            data_size, place = varint(raw, place)
            delta = 0
            if flags & 1:
                delta, place = varint(raw, place)
            if flags & 2:
                place += 16
            key, place = raw[place:place + (flags >> 2)], place + (flags >> 2)
            data, place = raw[place:place + data_size], place + data_size
            run.append([shard, number, arrival + delta, key.decode(), data.hex()])
        need(place == start + length, "a run's length")
        found.append(run)
    need(sum(map(len, found)) == records, "a frame's records")
    return found


def ranges(runs):
    return [[run[0][0], run[0][1], run[-1][1]] for run in runs]


class Store:
    def __init__(self, directory):
        self.directory, self.records, self.holders = directory, {}, []
        database = sqlite3.connect(f"file:{directory}/metadata.sqlite?mode=ro", uri=True)
        database.row_factory = sqlite3.Row
        self.rows = lambda table, columns="*": database.execute(f"SELECT {columns} FROM {table}").fetchall()
        self.row = self.rows("store")[0]
        self.s = crc32c(self.row["id"])

    def later(self, table):
        """The rows of a table that stores of earlier versions lack."""
        is_there = self.rows(f"sqlite_master WHERE type = 'table' AND name = '{table}'", "name")
        return self.rows(table) if is_there else []

    def hold(self, file, first, end, kind, runs):
        self.holders.append({"file": file, "first": first, "end": end, "kind": kind, "records": ranges(runs)})
        if kind in ("block", "commit"):
            for run in runs:
                for record in run:
                    self.records[record[0], record[1]] = record

    def read(self, file):
        with open(os.path.join(self.directory, file), "rb") as opened:
            return opened.read()

    def check_rows(self):
        def encoded(value):
            if value is None:
                return b"\0"
            if isinstance(value, int):
                return b"\1" + struct.pack("<q", value)
            value, kind = (value.encode(), b"\2") if isinstance(value, str) else (value, b"\3")
            return kind + struct.pack("<Q", len(value)) + value

        for (table,) in map(tuple, self.rows("sqlite_master WHERE type = 'table'", "name")):
            for row in map(tuple, self.rows(table)):
                need(crc32c(b"".join(map(encoded, row[:-1])), crc32c(table.encode())) == row[-1], f"a row of {table}")

    def catalogue(self, now):
        created = {row["stream"]: row for row in self.rows("stream_creation")}
        expired = {row["stream"]: row["expired_ms"] for row in self.rows("stream_expiry")}
        skipped = {row["shard"]: row["ranges"] for row in self.rows("skipped")}
        streams, shards, horizons = [], [], {}
        for row in self.rows("stream"):
            horizons[row["id"]] = max(now - row["retention_ms"], expired.get(row["id"], -1 << 62))
            streams.append({
                "id": row["id"], "name": row["name"], "retention": row["retention_ms"],
                "created": list(created[row["id"]])[1:-1], "expired": expired.get(row["id"])})
        for row in self.rows("shard"):
            horizon = horizons[row["stream"]]
            # A closed shard is removed when its closing is older than records are kept.
            if row["closed_ms"] is not None and row["closed_ms"] <= horizon:
                continue
            jumps = [list(map(int, part.split("-"))) for part in skipped.get(row["key"], "").split(",") if part]
            shards.append({
                "key": row["key"], "stream": row["stream"], "number": row["number"], "skipped": jumps,
                "kept": sorted(r[1] for r in self.records.values() if r[0] == row["key"] and r[2] > horizon)})
        retired = [row["created_s"] for row in self.rows("retired")]
        return {
            "streams": streams, "shards": shards, "retired": retired[0] if retired else None,
            "mappings": self.mappings(),
            "attributes": [
                {
                    "stream": row["stream"], "part": row["part"], "name": row["name"], "value": row["value"].hex(),
                    "revision": row["revision"]}
                for row in self.later("attribute")]}

    def mappings(self):
        control = {row["mapping"]: row for row in self.later("mapping_control")}
        actions = self.later("mapping_action")
        parked = sorted(self.rows("parked"), key=lambda row: (row["shard"], row["key"].encode()))
        told = []
        for row in self.rows("mapping"):
            mine = control.get(row["id"])
            told.append({
                "stream": row["stream"], "name": row["name"], "settings": row["configuration"].hex(),
                "revision": mine["revision"] if mine else 0, "enabled": bool(mine["enabled"]) if mine else True,
                "brought": (mine["brought"] if mine else row["configuration"]).hex(),
                "actions": [
                    {
                        "revision": action["revision"], "time": action["time_ms"], "actor": action["actor"],
                        "reason": action["reason"], "settings": bool(action["settings"]),
                        "enabled": None if action["enabled"] is None else bool(action["enabled"])}
                    for action in actions if action["mapping"] == row["id"]],
                "parked": [
                    {"shard": kept["shard"], "key": kept["key"], "value": kept["value"].hex()}
                    for kept in parked if kept["mapping"] == row["id"]]})
        return told

    def journal(self):
        commits = {}
        for name in sorted(os.listdir(os.path.join(self.directory, "journal"))):
            data, file = self.read("journal/" + name), "journal/" + name
            for block in range(1, len(data) // 4096):
                try:
                    commit = self.commit(data, block)
                except (ValueError, IndexError, struct.error):
                    continue
                commits[commit["number"], commit["checksum"]] = dict(commit, file=file)
        number, chain = max(self.row["start_commit"], 1), self.row["start_chain"]
        while True:
            due = [c for c in commits.values() if c["number"] == number and c["before"] == chain]
            if not due:
                break
            self.hold(due[0]["file"], due[0]["first"], due[0]["end"], "commit", due[0]["runs"])
            number, chain = number + 1, due[0]["checksum"]

    def commit(self, data, block):
        at = block * 4096
        need(data[at:at + 4] == b"SLC1", "no commit")
        number, _, file_number, said, incarnation = struct.unpack_from("<QQQII", data, at + 8)
        head_size, size, entries, before, checksum = struct.unpack_from("<5I", data, at + 48)
        need(said == block and 80 <= head_size <= size <= len(data) - at, "a commit's lengths")
        head = bytearray(data[at:at + head_size])
        head[64:68] = bytes(4)
        seed = crc32c(struct.pack("<IQI", incarnation, file_number, block), self.s)
        need(crc32c(head, seed) == checksum, "a head's checksum")
        place, runs = 80, []
        for _ in range(entries):
            kind, _, _, length = struct.unpack_from("<BBHI", head, place)
            if kind == 1:
                runs += frame(head, place, data[at:at + size], self.s)
            place += length
        return {"number": number, "checksum": checksum, "before": before, "first": at, "end": at + size, "runs": runs}

    def segments(self):
        sections = self.rows("section")
        for row in self.rows("segment"):
            file = f"segments/{row['id']:012}.segment"
            data = self.read(file)
            need(data[:4] == b"SLSG", "no segment")
            tails = [s["index_offset"] + s["index_length"] for s in sections if s["segment"] == row["id"]]
            tails = tails or [row["footer_offset"] + 80]
            place, runs, index = 4096, [], []
            while place < row["bytes"]:
                magic, _, kind, size, checksum = struct.unpack_from("<4sHHII", data, place)
                seed = crc32c(struct.pack("<QQ", row["id"], place), self.s)
                piece = data[place:place + size]
                head = 16 + struct.unpack_from("<I", piece, 20)[0] if magic == b"SLBK" else size
                need(crc32c(piece[:12] + bytes(4) + piece[16:head], seed) == checksum, "a piece's checksum")
                if magic == b"SLBK":
                    found = frame(piece, 16, piece, self.s)
                    self.hold(file, place, place + size, "block", found)
                    runs += found
                else:
                    # Streams are read only to rebuild what else is lost.
                    index.append((place, place + size, "spare" if magic == b"SLIX" and kind == 1 else "index"))
                place += size
                if magic == b"SLIT":
                    # A footer stands for all sections; their own indexes are of no use any more.
                    if place in tails:
                        for first, end, sort in index:
                            self.hold(file, first, end, sort, runs)
                    index, runs = [], runs if kind == 2 or row["footer_offset"] else []


store = Store(sys.argv[1])
store.segments()
store.journal()
store.check_rows()
told = {"records": sorted(store.records.values()), "holders": store.holders}
json.dump(told | (store.catalogue(int(sys.argv[2])) if len(sys.argv) > 2 else {}), sys.stdout)
