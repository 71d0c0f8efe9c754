import StreamModel

/// One of the producers of a run: puts batch after batch, and notes the acknowledgements. Used by one task.
struct BenchProducer {
    private let number: Int
    private let put: @Sendable ([NewRecord]) async throws -> [PutReceipt]
    private let workload: Workload
    private let batch: Int
    /// When its records are due; nil: as soon as possible.
    private let schedule: PutSchedule?
    private let clock: RunClock
    private let ledgers: [[ShardLedger]]
    private let shardCount: Int
    private let progress: BenchProgress
    private let acknowledgements: Latencies
    private let latencies: Latencies

    /// The places of those given records that this producer puts.
    private var own: [Int] = []
    private let count: Int
    private var random: UInt64
    /// Where the last made record begins in the supply.
    private var source: Int
    private var done = 0
    /// How many records of each key were made.
    private var made: [UInt32]
    /// The records of a call, reused for each call so that the bench itself costs little.
    private var records: [NewRecord] = []
    private var checksums: [UInt32] = []
    private var times: [UInt64] = []
    private var waiting = Receipts()

    init(_ number: Int, of run: BenchRun.Parts) {
        self.number = number
        put = run.put
        workload = run.workload
        batch = run.settings.batch
        clock = run.clock
        ledgers = run.ledgers
        shardCount = run.settings.shards
        progress = run.progress
        acknowledgements = run.acknowledgements
        latencies = run.latencies
        random = 1_234_567 + 77 * UInt64(number)
        let supplied = run.workload.supply.count / max(1, run.workload.size)
        source = supplied * number / run.settings.producers * run.workload.size
        made = Array(repeating: 0, count: run.workload.keys.count)
        let (records, producers) = (run.settings.records, run.settings.producers)
        if run.workload.isGiven {
            // One producer puts all records of a key; otherwise their order would be undefined.
            let given = run.workload.given
            own = given.indices.filter { given[$0].key % producers == number }
            let (laps, rest) = records.quotientAndRemainder(dividingBy: given.count)
            let count = laps * own.count + own.count { $0 < rest }
            self.count = count
            schedule = run.settings.rate.map {
                PutSchedule(rate: $0, producer: number, of: producers, count: count, total: records)
            }
        } else {
            count = records / producers + (number < records % producers ? 1 : 0)
            schedule = run.settings.rate.map { PutSchedule(rate: $0, producer: number, of: producers) }
        }
    }

    /// Puts all of the producer's records.
    mutating func run() async throws {
        // Also when the run is stopped: the ledger needs the receipt of every record that was delivered.
        defer { enterWaiting() }
        while done < count {
            try Task.checkCancellation()
            let now = clock.now
            var size = min(batch, count - done)
            if let schedule {
                let due = schedule.due(done)
                if now < due { try await clock.sleep(until: due) }
                // All records that have become due meanwhile go with this one.
                size = min(size, max(1, schedule.dueCount(by: clock.now) - done))
            }
            fill(size)
            let begun = clock.now
            times.removeAll(keepingCapacity: true)
            for index in 0..<size {
                times.append(schedule?.due(done + index) ?? begun)
            }
            let receipts = try await put(records)
            let ended = clock.now
            acknowledgements.record([ended - begun])
            note(receipts)
            done += size
            progress.acknowledged(size, at: ended)
        }
    }

    // MARK: Records

    private mutating func fill(_ size: Int) {
        checksums.removeAll(keepingCapacity: true)
        if workload.isGiven {
            records.removeAll(keepingCapacity: true)
            for index in 0..<size {
                let line = own[(done + index) % own.count]
                records.append(workload.records[line])
                checksums.append(workload.given[line].checksum)
            }
            return
        }
        while records.count < size { records.append(NewRecord([], partitionKey: "")) }
        if records.count > size { records.removeLast(records.count - size) }
        // Swapped out, so that making a record may mutate the producer.
        var records: [NewRecord] = []
        swap(&records, &self.records)
        defer { swap(&records, &self.records) }
        // All producers share the supply. Retaining it for every record would make their processors contend for the
        // count.
        workload.supply.withUnsafeBytes { supply in
            workload.keys.withUnsafeBufferPointer { names in
                records.withUnsafeMutableBufferPointer { records in
                    for index in 0..<size { checksums.append(make(&records[index], from: supply, names)) }
                }
            }
        }
    }

    /// Makes the next record in place of an old one; returns its checksum.
    private mutating func make(
        _ record: inout NewRecord, from supply: UnsafeRawBufferPointer, _ names: UnsafeBufferPointer<String>
    ) -> UInt32 {
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let key = Int((random >> 40) % UInt64(names.count))
        record.partitionKey = names[key]
        let size = workload.size
        source = source + 2 * size <= supply.count ? source + size : 0
        if record.data.count != size { record.data = Array(repeating: 0, count: size) }
        let stamp = Stamp(producer: number, number: UInt64(made[key]))
        made[key] += 1
        return record.data.withUnsafeMutableBytes { data in
            data.copyMemory(from: UnsafeRawBufferPointer(rebasing: supply[source..<source + size]))
            stamp.write(to: data)
            return Fingerprint.of(UnsafeRawBufferPointer(data))
        }
    }

    // MARK: Receipts

    /// Receipts that are not in the ledgers yet.
    private struct Receipts {
        var receipts: [PutReceipt] = []
        /// For each receipt, the checksum of its data, and when it was put or due.
        var checksums: [UInt32] = []
        var times: [UInt64] = []
    }

    /// Notes receipts: at once where a call has several records for each shard, otherwise after several calls, because
    /// a thousand ledgers are far apart in memory and out of the processor's cache.
    private mutating func note(_ receipts: [PutReceipt]) {
        if waiting.receipts.isEmpty, receipts.count >= 4 * shardCount {
            latencies.record(enter(Receipts(receipts: receipts, checksums: checksums, times: times)))
            return
        }
        waiting.receipts += receipts
        waiting.checksums += checksums
        waiting.times += times
        if waiting.receipts.count >= 4 * shardCount { enterWaiting() }
    }

    private mutating func enterWaiting() {
        latencies.record(enter(waiting))
        waiting.receipts.removeAll(keepingCapacity: true)
        waiting.checksums.removeAll(keepingCapacity: true)
        waiting.times.removeAll(keepingCapacity: true)
    }

    /// Enters receipts into the ledgers; returns the latencies of records that had been delivered already.
    private func enter(_ noted: borrowing Receipts) -> [UInt64] {
        // Sorted by shard, so that each ledger is opened once.
        var starts = [Int](repeating: 0, count: shardCount + 1)
        for receipt in noted.receipts { starts[Int(receipt.shard.number) + 1] += 1 }
        for shard in 1..<starts.count { starts[shard] += starts[shard - 1] }
        var order = [Int](repeating: 0, count: noted.receipts.count)
        var next = starts
        for (index, receipt) in noted.receipts.enumerated() {
            order[next[Int(receipt.shard.number)]] = index
            next[Int(receipt.shard.number)] += 1
        }
        var matched: [UInt64] = []
        for own in ledgers {
            // All threads share the ledgers. Retaining their list would make producers and judges contend for the
            // count.
            own.withUnsafeBufferPointer { own in
                for shard in 0..<shardCount where starts[shard] < starts[shard + 1] {
                    let first = starts[shard]
                    own[shard].acknowledge(starts[shard + 1] - first, latencies: &matched) { place in
                        let index = order[first + place]
                        return (
                            noted.receipts[index].sequenceNumber.rawValue,
                            ShardLedger.Word(checksum: noted.checksums[index], time: noted.times[index])
                        )
                    }
                }
            }
        }
        return matched
    }
}
