import DiskAccess
import Logging
import SegmentStorage
import StreamModel

/// Repairs a damaged store as far as possible. All calls block.
///
/// After a crash at any step, a new repair comes to the same result. Damaged bytes are copied first. Segments only
/// grow. The metadata that register everything are put in place by one rename. The journal is read last, by opening the
/// store as after any crash.
struct Repair {
    let directory: String
    let fileSystem: any FileSystem
    let now: Timestamp

    /// Applies the plan, except for the journal.
    func apply(_ plan: RepairPlan) throws {
        let quarantine = Quarantine(directory: directory, fileSystem: fileSystem)
        for (file, bytes) in plan.kept { try quarantine.keep(file, bytes) }
        for folder in [StoreLayout.journalFolder, StoreLayout.segmentFolder] {
            try fileSystem.createDirectory("\(directory)/\(folder)")
        }
        for (repair, footer) in plan.segments {
            let path = "\(directory)/\(StoreLayout.segmentFolder)/\(StoreLayout.segmentFile(repair.row.id))"
            try repair.write(footer, to: path, fileSystem, plan.store)
        }
        try replaceMetadata(try MetadataImage.encode(plan.contents))
        for name in plan.foreign { try fileSystem.remove("\(directory)/\(name)") }
        if !plan.foreign.isEmpty { try fileSystem.synchronizeDirectory("\(directory)/\(StoreLayout.journalFolder)") }
    }

    /// Replaces the store's database atomically.
    private func replaceMetadata(_ image: [UInt8]) throws {
        let new = "\(directory)/\(StoreLayout.repairedMetadataFile)"
        if try fileSystem.status(new) != nil { try fileSystem.remove(new) }
        let file = try fileSystem.open(new, .create)
        try file.writeAll(image, at: 0)
        try file.synchronize()
        try fileSystem.synchronizeDirectory(directory)
        try putNewMetadataInPlace()
    }

    /// Finishes the replacement of an interrupted repair, or discards it.
    func finishRename() throws {
        guard try fileSystem.status("\(directory)/\(StoreLayout.repairedMetadataFile)") != nil else { return }
        // Once the old log is removed, only the new database has the log's content.
        let isNeeded = try fileSystem.status("\(directory)/\(StoreLayout.metadataFile)-wal") == nil
        let reading = try MetadataImage.load(in: directory, fileSystem, file: StoreLayout.repairedMetadataFile)
        guard isNeeded, let reading, reading.faults.isEmpty, reading.contents.damaged.isEmpty else {
            try fileSystem.remove("\(directory)/\(StoreLayout.repairedMetadataFile)")
            return
        }
        try putNewMetadataInPlace()
    }

    private func putNewMetadataInPlace() throws {
        // The old log must be removed before the rename: SQLite would apply it to the new database.
        for suffix in ["-wal", "-shm"] {
            let path = "\(directory)/\(StoreLayout.metadataFile)\(suffix)"
            if try fileSystem.status(path) != nil { try fileSystem.remove(path) }
        }
        try fileSystem.synchronizeDirectory(directory)
        try fileSystem.rename(
            "\(directory)/\(StoreLayout.repairedMetadataFile)", to: "\(directory)/\(StoreLayout.metadataFile)")
        try fileSystem.synchronizeDirectory(directory)
    }
}
