import StreamModel
import StreamStorage

// Control actions and claims.

/// What of a ``MappingClaim`` crosses the socket: all but its callbacks.
struct ClaimTerms: Hashable, Sendable {
    var configuration: [UInt8]?
    var failureStream: String?
    var owner: String
    var lease: Duration?
}

extension WireWriter {
    mutating func write(_ terms: ClaimTerms) {
        write(optional: terms.configuration) { $0.write($1) }
        write(optional: terms.failureStream) { $0.write($1) }
        write(terms.owner)
        write(optional: terms.lease) { $0.write($1) }
    }

    mutating func write(_ control: MappingControl) {
        write(control.mapping)
        write(optional: control.expectedRevision) { $0.write($1) }
        write(optional: control.configuration) { $0.write($1) }
        write(optional: control.isEnabled) { $0.write($1) }
        write(control.actor)
        write(control.reason)
    }

    mutating func write(_ action: MappingAction) {
        write(action.revision)
        write(action.time)
        write(action.actor)
        write(action.reason)
        write(action.changedSettings)
        write(optional: action.isEnabled) { $0.write($1) }
    }

    mutating func write(_ holder: MappingHolder) {
        write(holder.owner)
        write(holder.epoch)
        write(optional: holder.expiresAt) { $0.write($1) }
        write(holder.revision)
    }

    mutating func write(_ summary: MappingSummary) {
        write(summary.id)
        write(summary.epoch)
        write(summary.revision)
        write(summary.isEnabled)
        write(summary.retention)
    }

    mutating func write(_ renewal: MappingRenewal) {
        write(optional: renewal.failureStream) { $0.write($1) }
        write(renewal.revision)
    }
}

extension WireReader {
    mutating func claimTerms() throws -> ClaimTerms {
        ClaimTerms(
            configuration: try optional { try $0.array() }, failureStream: try optional { try $0.string() },
            owner: try string(), lease: try optional { try $0.duration() })
    }

    mutating func mappingControl() throws -> MappingControl {
        MappingControl(
            try mappingID(), expectedRevision: try optional { try $0.number() },
            configuration: try optional { try $0.array() }, isEnabled: try optional { try $0.bool() },
            actor: try string(), reason: try string())
    }

    mutating func mappingAction() throws -> MappingAction {
        MappingAction(
            revision: try number(), time: try timestamp(), actor: try string(), reason: try string(),
            changedSettings: try bool(), isEnabled: try optional { try $0.bool() })
    }

    mutating func mappingHolder() throws -> MappingHolder {
        MappingHolder(
            owner: try string(), epoch: try number(), expiresAt: try optional { try $0.timestamp() },
            revision: try number())
    }

    mutating func mappingSummary() throws -> MappingSummary {
        MappingSummary(
            id: try number(), epoch: try number(), revision: try number(), isEnabled: try bool(),
            retention: try duration())
    }

    mutating func mappingRenewal() throws -> MappingRenewal {
        MappingRenewal(failureStream: try optional { try $0.string() }, revision: try number())
    }
}
