import FaultVFS
import FaultWorkload
import Foundation
import LeatTesting

/// What several processes wrote and synced, in the order in which it took effect, with their testimony between.
struct Recording: Sendable {
    struct Record: Sendable {
        enum Kind: UInt8 {
            case write = 0x57
            case truncate = 0x54
            case sync = 0x53
            case delete = 0x44
            case note = 0x4E
        }
        let kind: Kind
        /// The file, by what its name has after the database's.
        let file: String
        let offset: Int
        let bytes: Data
    }

    let records: [Record]

    init(contentsOf url: URL) throws {
        let data = try Data(contentsOf: url)
        var records: [Record] = []
        var position = 0
        while position < data.count {
            let head = data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: fault_record.self) }
            position += MemoryLayout<fault_record>.size
            let name = String(decoding: data[position..<position + Int(head.path)], as: UTF8.self)
            position += Int(head.path)
            guard let kind = Record.Kind(rawValue: UInt8(head.kind)) else { throw RecordingTrouble() }
            records.append(
                Record(
                    kind: kind, file: name, offset: Int(head.offset),
                    bytes: Data(data[position..<position + Int(head.size)])))
            position += Int(head.size)
        }
        self.records = records
    }

    struct RecordingTrouble: Error {}

    /// What has been told up to a record.
    func told(before end: Int) -> Set<Testimony> {
        Set(
            records[..<end].lazy.filter { $0.kind == .note }.compactMap {
                Testimony(String(decoding: $0.bytes, as: UTF8.self))
            })
    }
}

/// A disk on the way through a recording: what is on it for sure, and what was written since the last sync.
///
/// A file's own sync makes all of it durable. Of what was written after it any part may be there, in any order: each
/// write may be whole, missing or torn at any sector of 512 bytes; so may a new length. What stands beside a write is left
/// alone, as SQLite assumes of a disk (https://sqlite.org/psow.html).
struct Disk {
    /// The recording is that of a disk which forgets syncs, as if nobody had asked for one.
    let ignoresSyncs: Bool
    private var durable: [String: Data] = [:]
    private var pending: [String: [Recording.Record]] = [:]

    init(ignoresSyncs: Bool = false) { self.ignoresSyncs = ignoresSyncs }

    mutating func take(_ record: Recording.Record) {
        switch record.kind {
        case .note: break
        case .delete where record.offset == 1 && !ignoresSyncs:
            // A journal that came back would undo all that was written since.
            pending[record.file] = nil
            durable[record.file] = nil
        case .write, .truncate, .delete: pending[record.file, default: []].append(record)
        case .sync:
            guard !ignoresSyncs else { return }
            for record in pending.removeValue(forKey: record.file) ?? [] { apply(record, to: &durable) }
        }
    }

    /// What the cut leaves.
    func cut(using generator: inout SeededGenerator) -> [String: Data] {
        var files = durable
        // A cut that loses all, one that loses nothing, and all between.
        let loss = [0, 10, 50, 90, 100].randomElement(using: &generator) ?? 0
        let tearing = [0, 20].randomElement(using: &generator) ?? 0
        for file in pending.keys.sorted() {
            for record in pending[file] ?? [] where Int.random(in: 0..<100, using: &generator) >= loss {
                if record.kind == .write, Int.random(in: 0..<100, using: &generator) < tearing {
                    for sector in sectors(of: record) where Bool.random(using: &generator) { apply(sector, to: &files) }
                } else {
                    apply(record, to: &files)
                }
            }
        }
        return files
    }

    private func sectors(of record: Recording.Record) -> [Recording.Record] {
        var sectors: [Recording.Record] = []
        var start = record.offset
        let end = record.offset + record.bytes.count
        while start < end {
            let next = min((start / 512 + 1) * 512, end)
            let bytes = record.bytes[(start - record.offset)..<(next - record.offset)]
            sectors.append(
                Recording.Record(kind: .write, file: record.file, offset: start, bytes: Data(bytes)))
            start = next
        }
        return sectors
    }

    private func apply(_ record: Recording.Record, to files: inout [String: Data]) {
        switch record.kind {
        case .write:
            var bytes = files.removeValue(forKey: record.file) ?? Data()
            let end = record.offset + record.bytes.count
            // What lies beyond the end is filled with zeros.
            if bytes.count < end { bytes.count = end }
            bytes.replaceSubrange(record.offset..<end, with: record.bytes)
            files[record.file] = bytes
        case .truncate: files[record.file, default: Data()].count = record.offset
        case .delete: files[record.file] = nil
        case .sync, .note: break
        }
    }
}
