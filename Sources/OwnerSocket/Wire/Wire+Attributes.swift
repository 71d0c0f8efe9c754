import StreamModel
import StreamStorage

extension WireWriter {
    mutating func write(_ owner: AttributeOwner) {
        switch owner {
        case .account(let name):
            write(0 as UInt8)
            write(name)
        case .stream(let name):
            write(1 as UInt8)
            write(name)
        case .consumer(let name, of: let stream):
            write(2 as UInt8)
            write(name)
            write(stream)
        }
    }

    mutating func write(_ change: AttributeChange) {
        write(change.owner)
        write(change.name)
        switch change.expected {
        case .any: write(0 as UInt8)
        case .absent: write(1 as UInt8)
        case .revision(let revision):
            write(2 as UInt8)
            write(revision)
        }
        switch change.action {
        case .set(let value):
            write(0 as UInt8)
            write(value)
        case .remove: write(1 as UInt8)
        case .check: write(2 as UInt8)
        }
    }

    mutating func write(_ attribute: NewAttribute) {
        write(attribute.name)
        write(attribute.value)
    }

    mutating func write(_ query: AttributeQuery) {
        write(query.owner)
        write(query.prefix)
        write(optional: query.after) { $0.write($1) }
        write(Int64(query.limit))
    }

    mutating func write(_ page: AttributePage) {
        write(each: page.attributes) { writer, attribute in
            writer.write(attribute.name)
            writer.write(attribute.value)
            writer.write(attribute.revision)
        }
        write(page.hasMore)
    }
}

extension WireReader {
    private mutating func attributeOwner() throws -> AttributeOwner {
        switch try number(UInt8.self) {
        case 0: .account(try string())
        case 1: .stream(try string())
        case 2: .consumer(try string(), of: try string())
        default: throw WireError("an owner of attributes of an unknown kind")
        }
    }

    mutating func attributeChange() throws -> AttributeChange {
        let (owner, name) = (try attributeOwner(), try string())
        let expected: AttributeChange.Expectation =
            switch try number(UInt8.self) {
            case 0: .any
            case 1: .absent
            case 2: .revision(try number())
            default: throw WireError("an expected attribute of an unknown kind")
            }
        let action: AttributeChange.Action =
            switch try number(UInt8.self) {
            case 0: .set(try array())
            case 1: .remove
            case 2: .check
            default: throw WireError("a change of an attribute of an unknown kind")
            }
        return AttributeChange(owner, name, action, expected: expected)
    }

    mutating func newAttribute() throws -> NewAttribute { NewAttribute(try string(), try array()) }

    mutating func attributeQuery() throws -> AttributeQuery {
        let (owner, prefix) = (try attributeOwner(), try string())
        let after = try optional { try $0.string() }
        return AttributeQuery(owner, prefix: prefix, after: after, limit: Int(try number(Int64.self)))
    }

    mutating func attributePage() throws -> AttributePage {
        let attributes = try each { reader in
            Attribute(name: try reader.string(), value: try reader.array(), revision: try reader.number())
        }
        return AttributePage(attributes: attributes, hasMore: try bool())
    }
}
