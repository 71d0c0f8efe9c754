import Testing

@Suite struct KillMomentTests {
    @Test func `rounds and seed come from the environment`() {
        let settings = RoundSettings(
            environment: ["SHARDLINE_CRASH_ROUNDS": "200", "SHARDLINE_CRASH_SEED": "7"], freshSeed: 1)
        #expect(settings.rounds == 200 && settings.seed == 7)
        let defaults = RoundSettings(environment: ["SHARDLINE_CRASH_ROUNDS": "many"], freshSeed: 1)
        #expect(defaults.rounds == 12 && defaults.seed == 1)
    }

    @Test func `moments of every kind are chosen`() {
        var generator = SystemRandomNumberGenerator()
        var kinds: Set<Int> = []
        for _ in 0..<1000 {
            switch KillMoment.random(using: &generator) {
            case .afterStart: kinds.insert(0)
            case .afterOpening: kinds.insert(1)
            case .afterReports: kinds.insert(2)
            }
        }
        #expect(kinds == [0, 1, 2])
    }
}
