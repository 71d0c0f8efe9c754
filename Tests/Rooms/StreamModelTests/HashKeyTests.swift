import StreamModel
import Testing

@Suite struct HashKeyTests {
    /// API-V-1
    @Test(arguments: [
        ("a", "16955237001963240173058271559858726497", 0), ("b", "195289424170611159128911017612795795343", 1),
        ("partition-1", "198019941650871988756153596255032211816", 1),
        ("ü", "255482112228542481294366945247899473731", 2),
    ])
    func `a partition key hashes to Kinesis' number and shard`(key: String, hash: String, shard: Int) {
        let hashKey = HashKey(partitionKey: key)
        #expect(hashKey.description == hash)
        #expect(HashKey(hash) == hashKey)
        #expect(HashKeyRange.even(3).firstIndex { $0.contains(hashKey) } == shard)
    }

    /// API-H-2
    @Test func `every number of digits is written as it is`() {
        var numbers: [UInt128] = [0, .max]
        var power: UInt128 = 1
        for digits in 1...39 {
            numbers += [power - 1, power, power + 1, power / 3 + 7]
            if digits < 39 { power *= 10 }
        }
        for number in numbers { #expect(HashKey(number).description == String(number)) }
    }

    @Test func `three shards divide the space as CreateStream does`() {
        let ranges = HashKeyRange.even(3)
        #expect(
            ranges.map(\.first.description) == [
                "0", "113427455640312821154458202477256070485", "226854911280625642308916404954512140970",
            ])
        #expect(ranges[2].last.description == "340282366920938463463374607431768211455")
    }

    /// API-H-3
    @Test(arguments: [1, 2, 3, 4, 5, 64, 1000, 1024, 9999, 10_000])
    func `shards leave no gap and no overlap`(count: Int) {
        let ranges = HashKeyRange.even(count)
        #expect(ranges.count == count)
        #expect(ranges.first?.first == HashKey(0))
        #expect(ranges.last?.last == HashKey(.max))
        for (left, right) in zip(ranges, ranges.dropFirst()) { #expect(left.last.value + 1 == right.first.value) }
    }

    @Test(arguments: ["", "-1", "+1", "a", "340282366920938463463374607431768211456"])
    func `text that is no hash key is refused`(text: String) {
        #expect(HashKey(text) == nil)
    }
}
