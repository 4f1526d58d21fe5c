/// What a pipeline was last run from, for people and tools: no rule depends on it.
///
/// A pipeline file is found by it again, and told from the one of the run before.
public struct RunSource: Sendable, Hashable, Codable {
    /// The file that describes the pipeline; a real path.
    public var file: String
    /// What each stage runs and how: by its name, the words of its description by their names.
    public var stages: [StageName: [String: String]]

    public init(file: String, stages: [StageName: [String: String]]) {
        self.file = file
        self.stages = stages
    }

    private enum CodingKeys: String, CodingKey { case file, stages }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        file = try container.decode(String.self, forKey: .file)
        stages = [:]
        for (name, words) in try container.decode([String: [String: String]].self, forKey: .stages) {
            stages[try StageName(checking: name)] = words
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(file, forKey: .file)
        try container.encode(
            Dictionary(uniqueKeysWithValues: stages.map { ($0.key.rawValue, $0.value) }), forKey: .stages)
    }
}
