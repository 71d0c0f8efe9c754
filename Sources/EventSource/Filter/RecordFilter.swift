import StreamModel

/// The filters of a mapping, compiled: which records of a run the function gets (ESM-F1).
package struct RecordFilter: Sendable {
    /// What a pattern can name of a record's source (ESM-F3).
    package struct Source: Hashable, Sendable {
        package var region: String
        package var streamARN: String

        package init(
            region: String = "us-east-1", streamARN: String = "arn:aws:kinesis:us-east-1:000000000000:stream/stream"
        ) {
            self.region = region
            self.streamARN = streamARN
        }
    }

    /// The most patterns that a mapping can have (ESM-S15).
    package static let maximumPatterns = 10

    /// The patterns as they were given.
    package let patterns: [String]
    private let source: Source
    private let memory: FilterMemory
    private let slotCount: Int
    // The nodes of a record's own fields; nil where no pattern names them.
    private let data: Int?
    private let key: Int?
    private let sequenceNumber: Int?
    private let arrival: Int?
    private let eventID: Int?
    /// Whether what is beside the data may decide, so that the data need not be looked at.
    private let mayDecideEarly: Bool

    /// Compiles patterns; without patterns every record is kept. Throws `invalidArgument`, and names all that are
    /// wrong.
    package init(patterns: [String], source: Source = Source()) throws(ShardlineError) {
        let wrong = Self.violations(of: patterns) { "filters[\($0)]" }
        guard wrong.isEmpty else { throw ShardlineError(.invalidArgument, wrong.joined(separator: "; ")) }
        self.patterns = patterns
        self.source = source
        let (arrays, fields) = FilterCompiler.compile(patterns.compactMap { try? PatternParser.parse($0) })
        memory = FilterMemory(arrays)
        slotCount = arrays.initialSlots.count
        data = fields["data"]
        func node(_ field: MetadataField) -> Int? { fields[UTF8Key(field.rawValue)] }
        key = node(.partitionKey)
        sequenceNumber = node(.sequenceNumber)
        arrival = node(.approximateArrivalTimestamp)
        eventID = node(.eventID)
        mayDecideEarly = fields.count > (data == nil ? 0 : 1)
        // What is the same for all records is answered once.
        let constants: [(MetadataField, String)] = [
            (.kinesisSchemaVersion, "1.0"), (.eventSource, "aws:kinesis"), (.eventName, "aws:kinesis:record"),
            (.awsRegion, source.region), (.eventSourceARN, source.streamARN),
        ]
        if let values = memory.tables.initialSlots.baseAddress {
            for (field, text) in constants { Self.answer(node(field), text, memory.tables, values) }
        }
    }

    /// What is wrong with patterns, each in one line; empty if they can be used (ESM-S26, ESM-F19).
    ///
    /// - Parameter name: what messages call the pattern of this index.
    package static func violations(of patterns: [String], name: (Int) -> String) -> [String] {
        var wrong: [String] = []
        if patterns.count > maximumPatterns {
            wrong.append("\(patterns.count) filters (allowed: at most \(maximumPatterns))")
        }
        for (index, pattern) in patterns.enumerated() {
            do {
                _ = try PatternParser.parse(pattern)
            } catch let problem as PatternProblem {
                wrong.append("\(name(index)): invalid filter pattern definition, \(problem.message)")
            } catch {
                wrong.append("\(name(index)): invalid filter pattern definition, \(error)")
            }
        }
        return wrong
    }

    /// Whether a record of a run matches one of the patterns at least. Its data are looked at once.
    package func matches(_ run: RecordRun, at index: Int) -> Bool {
        guard !patterns.isEmpty else { return true }
        let layout = run.layout(of: index)
        return run.chunk.bytes.withUnsafeBufferPointer { bytes in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: slotCount) { room in
                let tables = memory.tables
                // A pattern names one field at least, so there are slots.
                let values = room.baseAddress!
                values.initialize(from: tables.initialSlots.baseAddress!, count: slotCount)
                // A record without a key has no such member (API-U-1).
                if let key, layout.keyStart < layout.dataStart {
                    let text = UnsafeBufferPointer(rebasing: bytes[layout.keyStart..<layout.dataStart])
                    let available = bytes.count - layout.keyStart
                    Self.answer(key, .string(text, available: available), tables, values)
                }
                answerRest(run, index, layout, values)
                let text = UnsafeBufferPointer(rebasing: bytes[layout.dataStart..<layout.end])
                return isKept(data: text, values)
            }
        }
    }

    /// The parts of a run whose records match.
    package func matching(_ run: RecordRun) -> [RecordRun] {
        var parts: [RecordRun] = []
        var start: Int?
        for index in 0...run.count {
            let isKept = index < run.count && matches(run, at: index)
            if let first = start, !isKept {
                parts.append(run.extracting(first..<index))
                start = nil
            } else if start == nil, isKept {
                start = index
            }
        }
        return parts
    }

    /// The fields that are seldom asked for.
    @inline(__always)
    private func answerRest(
        _ run: RecordRun, _ index: Int, _ layout: RecordEncoding.Layout, _ values: UnsafeMutablePointer<UInt8>
    ) {
        let tables = memory.tables
        if let arrival {
            let milliseconds = run.arrival.milliseconds + Int64(layout.arrivalDelta)
            Self.answer(arrival, .number(DecimalNumber(secondsOfMilliseconds: milliseconds)), tables, values)
        }
        guard sequenceNumber != nil || eventID != nil else { return }
        let number = run.kinesisSequenceNumber(at: index).description
        Self.answer(sequenceNumber, number, tables, values)
        if let eventID { Self.answer(eventID, "\(run.shard):\(number)", tables, values) }
    }

    private static func answer(
        _ node: Int?, _ text: String, _ tables: FilterTables, _ values: UnsafeMutablePointer<UInt8>
    ) {
        guard let node else { return }
        var text = text
        text.withUTF8 { answer(node, .string($0, available: $0.count), tables, values) }
    }

    @inline(__always)
    private static func answer(
        _ node: Int, _ value: ScalarValue, _ tables: FilterTables, _ values: UnsafeMutablePointer<UInt8>
    ) {
        tables.answer(tables.nodes.baseAddress! + node, value, values)
    }

    @inline(__always)
    private func isKept(data text: UnsafeBufferPointer<UInt8>, _ values: UnsafeMutablePointer<UInt8>) -> Bool {
        let tables = memory.tables
        guard let data else { return anyHolds(values) }
        let slots = tables.nodes[data].objectSlots
        func answerData(_ value: UInt8) { for slot in slots { values[Int(slot)] = value } }
        if mayDecideEarly {
            // Formulas have no negations: what holds or fails whatever the data are needs no look at them.
            answerData(0)
            if anyHolds(values) { return true }
            answerData(1)
            if !anyHolds(values) { return false }
        }
        var matcher = DocumentMatcher(text, tables, values)
        if !matcher.answer(data) { answerData(0) }
        return anyHolds(values)
    }

    @inline(__always) private func anyHolds(_ values: UnsafeMutablePointer<UInt8>) -> Bool {
        for formula in memory.tables.patterns where memory.tables.holds(Int(formula), values) {
            return true
        }
        return false
    }
}

extension RecordFilter: Hashable {
    /// Filters of the same patterns and source keep the same records.
    package static func == (left: RecordFilter, right: RecordFilter) -> Bool {
        left.patterns.map { UTF8Key($0) } == right.patterns.map { UTF8Key($0) } && left.source == right.source
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(patterns.map { UTF8Key($0) })
        hasher.combine(source)
    }
}
