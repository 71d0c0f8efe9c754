import TestSupport
import Testing

@testable import SegmentStorage

/// The table and the set of shards hold what a dictionary and a set would.
@Suite struct ShardTableTests {
    @Test(arguments: 0..<10 as Range<UInt64>)
    func `a table holds what was put and not removed`(seed: UInt64) {
        var numbers = SeededRandom(seed)
        var table: ShardTable<String> = [:]
        var model: [ShardNumber: String] = [:]
        for step in 0..<2_000 {
            let key = ShardNumber(UInt32.random(in: 0...300, using: &numbers))
            switch Int.random(in: 0...4, using: &numbers) {
            case 0:
                #expect(table.removeValue(forKey: key) == model.removeValue(forKey: key))
            case 1:
                let isThere = table.update(key) { $0 += "+" }
                #expect(isThere == (model[key] != nil))
                model[key]? += "+"
            case 2:
                table[key]? += "?"
                model[key]? += "?"
            default:
                table[key] = "\(step)"
                model[key] = "\(step)"
            }
            #expect(table[key] == model[key])
            #expect(table.read(key) { $0 } == model[key])
            #expect(table.count == model.count && table.isEmpty == model.isEmpty)
        }
        #expect(table.map(\.key) == model.keys.sorted())
        #expect(table.values == model.sorted { $0.key < $1.key }.map(\.value))
    }

    @Test func `a copy of a table stays as it was`() {
        var table: ShardTable<Int> = [ShardNumber(3): 1]
        let copy = table
        table[ShardNumber(3)]? += 1
        _ = table.update(ShardNumber(3)) { $0 += 1 }
        #expect(copy[ShardNumber(3)] == 1 && table[ShardNumber(3)] == 3)
    }

    @Test func `tables with the same values are equal, whatever else was in them`() {
        var one: ShardTable<Int> = [ShardNumber(1): 1]
        one[ShardNumber(9_000)] = 2
        one[ShardNumber(9_000)] = nil
        let other: ShardTable<Int> = [ShardNumber(1): 1]
        #expect(one == other && one.hashValue == other.hashValue)
        #expect(one != [ShardNumber(1): 2] && one != [ShardNumber(2): 1])
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `a set holds what was put in, in order`(seed: UInt64) {
        var numbers = SeededRandom(seed)
        var sets: [(ShardSet, Set<ShardNumber>)] = []
        for limit in [10, 70, 1_000] as [UInt32] {
            var (set, model): (ShardSet, Set<ShardNumber>) = ([], [])
            for _ in 0..<50 {
                let key = ShardNumber(UInt32.random(in: 0...limit, using: &numbers))
                set.insert(key)
                model.insert(key)
            }
            #expect(Array(set) == model.sorted())
            #expect((0...limit).allSatisfy { set.contains(ShardNumber($0)) == model.contains(ShardNumber($0)) })
            sets.append((set, model))
        }
        for (one, oneModel) in sets {
            for (other, otherModel) in sets {
                var union = one
                union.formUnion(other)
                #expect(Array(union) == oneModel.union(otherModel).sorted())
                #expect((one == other) == (oneModel == otherModel))
            }
        }
        #expect(ShardSet().isEmpty && !sets[0].0.isEmpty && !ShardSet().contains(ShardNumber(5)))
    }
}
