/// A value in memory of its own, which all copies share: what holds it, and is copied with every decision, stays small.
package struct Boxed<Value: Sendable>: Sendable {
    private final class Storage: Sendable {
        let value: Value

        init(_ value: Value) { self.value = value }
    }

    private let storage: Storage

    package init(_ value: Value) { storage = Storage(value) }

    package var value: Value { storage.value }
}

extension Boxed: Equatable where Value: Equatable {
    package static func == (left: Boxed, right: Boxed) -> Bool {
        left.storage === right.storage || left.value == right.value
    }
}

extension Boxed: Hashable where Value: Hashable {
    package func hash(into hasher: inout Hasher) { hasher.combine(value) }
}

/// A value that is hardly ever there: it takes the room of a reference in what holds it.
@propertyWrapper
package struct Rare<Value: Hashable & Sendable>: Hashable, Sendable {
    private var box: Boxed<Value>?

    package var wrappedValue: Value? {
        get { box?.value }
        set { box = newValue.map(Boxed.init) }
    }

    package init(wrappedValue: Value?) { box = wrappedValue.map(Boxed.init) }
}
