internal import Leat
internal import Yams

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

extension PipelineFile {
    /// How large a file may be, in bytes.
    static let mostBytes = 1 << 20

    /// Reads a pipeline file, by its real path.
    ///
    /// Nobody but its owner may be able to change it, as it says what is run. Nothing is run, and no folder but those that
    /// it names is looked at.
    ///
    /// - Throws: ``Leat/LeatError/Code/invalidPipeline`` with the file, the line, what was found and what is allowed;
    ///   ``Leat/LeatError/Code/unsafePlace`` when others may write it; ``Leat/LeatError/Code/notFound``.
    /// - Parameter snapshot: a copy of it that is read in its place, under its name and for its folder.
    package static func read(_ path: String, snapshot: String? = nil) throws -> PipelineFile {
        guard let snapshot else {
            let file = try SafeFile.read(path, atMost: mostBytes)
            return try parse(file.bytes, calling: path, path: file.path, folder: file.folder)
        }
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        return try parse(
            SafeFile.read(snapshot, atMost: mostBytes).bytes, calling: path, path: path,
            folder: folder.isEmpty ? "/" : folder)
    }

    /// Keeps it as it was read, for ``read(_:snapshot:)``.
    package func save(to path: String) throws {
        let new = path + ".new"
        func refuse(_ failure: Int32) throws {
            unlink(new)
            throw LeatError(
                .storeFailed,
                "The pipeline file can't be copied to \(printable(path)), for its workers: \(String(cString: strerror(failure)))."
            )
        }
        // Of a run that was killed just then.
        if unlink(new) != 0, errno != ENOENT { try refuse(errno) }
        // For its owner alone, whatever the umask: workers refuse a file that others may write.
        try NewFile.write(bytes, to: new, mode: 0o600)
        if rename(new, path) != 0 { try refuse(errno) }
    }

    /// Reads a file's bytes.
    ///
    /// - Parameters:
    ///   - name: what messages call it.
    ///   - path: its real path.
    ///   - folder: the real path of the folder that it is in.
    package static func parse(_ bytes: [UInt8], calling name: String, path: String, folder: String) throws
        -> PipelineFile
    {
        let reading = Reading(file: name, folder: folder)
        let root = try YAMLText.compose(bytes, reading)
        var draft = FileDraft()
        try reading.visit(root, .file)
        try FileDraft.shape.read(root, into: &draft, .file, reading)
        var file = PipelineFile(
            name: try draft.name ?? standardName(path, reading), path: path, folder: folder)
        file.shownAs = name
        file.bytes = bytes
        file.description = draft.description
        file.parameters = try draft.parameterEntries(reading)
        file.stages = try draft.entries(reading)
        file.queues = draft.queues.map {
            QueueEntry(name: QueueName(unchecked: $0.name), line: $0.line, description: $0.value.description)
        }
        return file
    }

    /// The file's name without its suffix.
    private static func standardName(_ path: String, _ reading: Reading) throws -> String {
        let last = path.split(separator: "/").last ?? ""
        let name = String(last.lastIndex(of: ".").map { last[..<$0] } ?? last)
        guard Pipeline.isName(name) else {
            throw reading.error(
                at: 1,
                "the file has no 'name', and its own, '\(printable(name))', can't be a pipeline's: that is a letter, then at most 62 letters, digits, underscores or hyphens; write 'name: …'."
            )
        }
        return name
    }
}
