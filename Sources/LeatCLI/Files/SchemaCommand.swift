internal import ArgumentParser
internal import LeatCommands

/// `leat schema`: the JSON Schema of pipeline files.
struct SchemaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Prints the JSON Schema of pipeline files, for editors.",
        discussion: """
            leat schema > leat.schema.json, and '# yaml-language-server: $schema=leat.schema.json' as the first line of a \
            pipeline file: then editors complete its keys, and show what each means.
            """)

    func run() async throws { try StandardOutput.write(PipelineFile.schema.text) }
}
