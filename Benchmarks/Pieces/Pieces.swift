import Benchmark

// What single steps of a record's way cost. Compare two versions on one machine; absolute figures hold for that
// machine only.

let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.instructions, Cost.processorTime, Cost.rate],
        units: [Cost.processorTime: .count, Cost.rate: .count], warmupIterations: 3, scalingFactor: .one,
        maxDuration: .seconds(1))
    keyPieces()
    readPieces()
    writePieces()
    filterPieces()
    kinesisPieces()
    documentPieces()
    lanePieces()
    storePieces()
    lookPieces()
}
