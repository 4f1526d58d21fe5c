internal import ArgumentParser
internal import Leat
internal import LeatSupervisor

/// Whether a run kills its own workers.
struct ChaosOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Kill workers (SIGKILL) on the way, to see that the result is the same: each second each of them with this chance, up to 50%.",
            discussion: """
                In a run shorter than a second nobody dies. The seed is printed, and may be given again, as in \
                kill=2%,seed=17. Whatever is alone in its worker's hands at ten kills is given up, as it is when others \
                kill: keep the chance low where one item, or a stage that does all at once, takes several seconds.
                """,
            valueName: "kill=percent%"),
        transform: readChaos)
    var chaos: Chaos?
}

@Sendable private func readChaos(_ text: String) throws -> Chaos {
    do {
        return try Chaos(text)
    } catch let error as LeatError {
        throw ValidationError(error.message)
    }
}
