import StreamModel
import StreamStorage

extension MappingControlledEntry {
    /// Which parts a control action has.
    private struct Parts: OptionSet {
        let rawValue: UInt8
        static let settings = Parts(rawValue: 1)
        static let enables = Parts(rawValue: 2)
        static let disables = Parts(rawValue: 4)
        static let isBrought = Parts(rawValue: 8)
    }

    func encode(into head: inout ByteWriter) {
        var parts: Parts = []
        if configuration != nil { parts.insert(.settings) }
        if let isEnabled = action.isEnabled { parts.insert(isEnabled ? .enables : .disables) }
        if isBrought { parts.insert(.isBrought) }
        head.put(number.rawValue)
        head.put(action.revision)
        head.put(action.time.milliseconds)
        head.put(parts.rawValue)
        head.putText(action.actor)
        head.putText(action.reason)
        if let configuration { head.putBlob(configuration) }
    }

    init(from reader: inout ByteReader) throws(FormatDamage) {
        number = MappingNumber(try reader.take())
        let revision: UInt64 = try reader.take()
        guard revision > 0, revision < 1 << 62 else { throw .damaged("a mapping's revision") }
        let time = try reader.takeTime()
        let parts = Parts(rawValue: try reader.take())
        guard parts.rawValue < 16 else { throw .newer("a control action with the parts \(parts.rawValue)") }
        guard !parts.contains([.enables, .disables]), !parts.contains(.isBrought) || parts.contains(.settings) else {
            throw .damaged("a control action")
        }
        let actor = try reader.takeText()
        let reason = try reader.takeText()
        configuration = parts.contains(.settings) ? try reader.takeBlob() : nil
        isBrought = parts.contains(.isBrought)
        action = MappingAction(
            revision: revision, time: time, actor: actor, reason: reason, changedSettings: configuration != nil,
            isEnabled: parts.contains(.enables) ? true : parts.contains(.disables) ? false : nil)
    }
}
