internal import Leat
internal import LeatCommands

/// A pipeline file is refused with its line, or read: then its plan, its promises and its schema can be told.
func fuzzFile(_ bytes: [UInt8]) {
    do {
        let file = try PipelineFile.parse(bytes, calling: "f.yaml", path: "/tmp/f.yaml", folder: "/nowhere")
        require(!file.stages.isEmpty, "a file without stages was read")
        for stage in file.stages {
            require(StageName(rawValue: stage.name.rawValue) != nil, "a stage has a name that is none")
            for sentence in file.guarantees(of: stage) {
                require(isSafeToShow(sentence), "a promise shows control characters")
            }
        }
        do {
            let parameters = try file.parameters(isComplete: false)
            _ = try file.plan(parameters: parameters)
        } catch let error as LeatError {
            require(isSafeToShow(error.description), "an error shows control characters")
        }
        // The same bytes are the same file.
        let again = try PipelineFile.parse(bytes, calling: "f.yaml", path: "/tmp/f.yaml", folder: "/nowhere")
        require(again.stages == file.stages && again.name == file.name, "a file was read in two ways")
    } catch let error as LeatError {
        require(error.code == .invalidPipeline, "refused by another code: \(error.code)")
        require(error.message.hasPrefix("f.yaml:"), "an error has no place: \(error.message)")
        require(isSafeToShow(error.description), "an error shows control characters")
    } catch {
        fatalError("another error: \(error)")
    }
}
