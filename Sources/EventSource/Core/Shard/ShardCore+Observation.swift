import StreamModel

extension ShardCore {
    /// The number of lanes.
    package var laneCount: Int { lanes.count }

    /// What tells the unit of a lane from its other ones: the unit's first number, or the last one of the records that are
    /// handed over. nil where the lane has none.
    package func unit(ofLane lane: Int) -> SequenceNumber? {
        switch lanes[lane].stage {
        case .collecting: nil
        case .delivering(let delivery): delivery.giveUp.last
        case .deciding, .noting, .invoking: lanes[lane].units.last?.first
        }
    }

    /// When the first record of a lane's unit arrived; nil where the lane has none, or never read it.
    package func oldestArrival(ofLane lane: Int) -> Timestamp? {
        lanes[lane].oldestHeldRecord?.approximateArrivalTimestamp
    }
}
