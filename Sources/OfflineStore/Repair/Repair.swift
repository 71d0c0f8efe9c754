import DiskAccess
import Logging
import SegmentStorage
import StreamModel

/// Makes a damaged store whole again, as far as it can be. All calls block.
///
/// Every step may be the last before a crash, and repair begun anew comes to the same end: copies are made first;
/// segments only grow; the metadata that register all of it are put in place by one rename; the journal is passed last,
/// by opening the store as after any crash.
struct Repair {
    let directory: String
    let fileSystem: any FileSystem
    let now: Timestamp

    /// Does what `plan` says but for the journal.
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

    /// Puts a database in the place of the store's, whole or not at all.
    private func replaceMetadata(_ image: [UInt8]) throws {
        let new = "\(directory)/\(StoreLayout.repairedMetadataFile)"
        if try fileSystem.status(new) != nil { try fileSystem.remove(new) }
        let file = try fileSystem.open(new, .create)
        try file.writeAll(image, at: 0)
        try file.synchronize()
        try fileSystem.synchronizeDirectory(directory)
        try putNewMetadataInPlace()
    }

    /// Finishes what a repair has begun that did not come to its end.
    func finishRename() throws {
        guard try fileSystem.status("\(directory)/\(StoreLayout.repairedMetadataFile)") != nil else { return }
        // Behind the removal of the log the new database is the only one that knows what was in it.
        let isNeeded = try fileSystem.status("\(directory)/\(StoreLayout.metadataFile)-wal") == nil
        let reading = try MetadataImage.load(in: directory, fileSystem, file: StoreLayout.repairedMetadataFile)
        guard isNeeded, let reading, reading.faults.isEmpty, reading.contents.damaged.isEmpty else {
            try fileSystem.remove("\(directory)/\(StoreLayout.repairedMetadataFile)")
            return
        }
        try putNewMetadataInPlace()
    }

    private func putNewMetadataInPlace() throws {
        // SQLite would write a log that it finds into whatever database is beside it.
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
