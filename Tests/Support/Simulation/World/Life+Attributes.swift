import SegmentStorage
import StreamModel
import StreamStorage

extension Life {
    private static let pair = ["left", "right"]

    /// Sets or removes two attributes of the store and one of the stream, in one commit; or tries to with a revision that
    /// one of them no longer has.
    func changeAttributes(_ kind: History.AttributeStep) async {
        do {
            let page = try await store.attributes(AttributeQuery(.account("")))
            let now = page.attributes.first { $0.name == Self.pair[0] }
            if let revision = now?.revision, revision != world.attributeRevisions.last {
                world.attributeRevisions.append(revision)
            }
            var expected = now.map { AttributeChange.Expectation.revision($0.revision) } ?? .absent
            if kind == .stale {
                guard let earlier = world.attributeRevisions.last(where: { $0 != now?.revision }) else { return }
                expected = .revision(earlier)
            }
            let number = UInt64(world.nextAction())
            let action: AttributeChange.Action = kind == .remove ? .remove : .set(Array("\(number)".utf8))
            let model = Judge.AttributeValue(number: number, isSet: kind != .remove)
            let changes = [
                AttributeChange(.stream(World.stream), Self.pair[0], action),
                AttributeChange(.account(""), Self.pair[1], action),
                AttributeChange(.account(""), Self.pair[0], action, expected: expected),
            ]
            world.tell { $0.willChangeAttributes(model) }
            do {
                try await store.changeAttributes(changes)
                world.tell { $0.hasChangedAttributes(model, isStale: kind == .stale) }
            } catch {
                if !isInDoubt(error) { world.tell { $0.hasNotChangedAttributes(model) } }
                if (error as? ShardlineError)?.code == .attributeChanged, kind == .stale { return }
                failed(error, "changing attributes")
            }
        } catch {
            failed(error, "looking at attributes")
        }
    }

    /// Changes how large the stream's records may be, to a size that it never had.
    func resize() async {
        let size = Limits.defaultRecordSize + world.nextAction()
        world.tell { $0.willResize(to: size) }
        do {
            _ = try await store.updateStream(World.stream, retention: nil, maximumRecordSize: size)
            world.tell { $0.hasResized(to: size) }
        } catch {
            failed(error, "changing the record size")
        }
    }

    /// Lets the judge look at the attributes, while nobody changes anything.
    func auditAttributes() async throws {
        func number(_ attributes: [Attribute], _ name: String) -> UInt64? {
            attributes.first { $0.name == name }.flatMap { UInt64(String(decoding: $0.value, as: UTF8.self)) }
        }
        let account = try await store.attributes(AttributeQuery(.account(""))).attributes
        let isThere = try await store.listStreams().contains { $0.name == World.stream }
        let stream = isThere ? try await store.attributes(AttributeQuery(.stream(World.stream))).attributes : []
        let (left, right) = (number(account, Self.pair[0]), number(account, Self.pair[1]))
        let ofStream = number(stream, Self.pair[0])
        world.tell { $0.sawAttributes(left, right, ofStream: ofStream) }
    }
}
