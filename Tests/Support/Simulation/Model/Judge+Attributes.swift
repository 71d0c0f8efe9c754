/// Attributes: two of the store and one of the stream change together or not at all, what was acknowledged is kept, what
/// was refused was not done, and the stream's one goes with it (STORE-B1, STORE-B2).
extension Judge {
    /// What a change makes of the attributes, known by its number, which no other has.
    package struct AttributeValue: Hashable, Sendable {
        package var number: UInt64
        /// Whether they get the number as value; else they are removed.
        package var isSet: Bool
        package init(number: UInt64, isSet: Bool) {
            self.number = number
            self.isSet = isSet
        }
        var seen: UInt64? { isSet ? number : nil }
    }

    /// What is known of the attributes.
    struct AttributeModel: Hashable {
        /// The newest change that was acknowledged or seen.
        var known = AttributeValue(number: 0, isSet: false)
        /// Later changes of which nobody knows yet whether they were done.
        var open: [AttributeValue] = []
        /// Whether the stream with its attribute was deleted since the newest change.
        var isStreamGone = true
    }

    /// The change is about to be made.
    package mutating func willChangeAttributes(_ value: AttributeValue) { attributes.open.append(value) }

    /// It was acknowledged. `isStale`: it was based on a revision that an attribute no longer has.
    package mutating func hasChangedAttributes(_ value: AttributeValue, isStale: Bool) {
        if isStale { return fail("the stale change \(value.number) of attributes was accepted (STORE-B2)") }
        attributes = AttributeModel(known: value, isStreamGone: false)
    }

    /// It was surely not made.
    package mutating func hasNotChangedAttributes(_ value: AttributeValue) {
        attributes.open.removeAll { $0 == value }
    }

    /// Nobody changes anything, and somebody looks at the attributes.
    package mutating func sawAttributes(_ left: UInt64?, _ right: UInt64?, ofStream: UInt64?) {
        guard left == right else {
            return fail("the attributes of one commit are \(left ?? 0) and \(right ?? 0) (STORE-B2)")
        }
        if let done = attributes.open.last(where: { $0.seen == left }), left != attributes.known.seen {
            // The stream may have been deleted after it.
            attributes = AttributeModel(known: done, isStreamGone: attributes.isStreamGone || ofStream == nil)
        }
        attributes.open = []
        guard left == attributes.known.seen else {
            return fail("the attribute is \(left ?? 0), and \(attributes.known) was acknowledged (STORE-B2)")
        }
        guard isStream == .there else { return }
        if attributes.isStreamGone, let ofStream {
            if ofStream == left {
                attributes.isStreamGone = false
            } else {
                fail("the stream has the attribute \(ofStream) of one that was deleted (STORE-B1)")
            }
        } else if !attributes.isStreamGone, ofStream != left {
            fail("the stream's attribute is \(ofStream ?? 0), and was set to \(left ?? 0) (STORE-B2)")
        }
    }
}
