internal import LeatCLI

/// The `leat` command.
@main struct Leat {
    static func main() async { await LeatTool.main() }
}
