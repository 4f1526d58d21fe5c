import Leat
import Testing
import UnixSignals

@testable import LeatCLI

@Suite("the exit status")
struct ExitStatusTests {
    @Test("is 10 for what another holds, 2 for what was wrongly given, 74 for a damaged file, 40 for the rest")
    func errors() {
        let expected: [(LeatError.Code, CommandStatus)] = [
            (.alreadyRunning, .taken), (.fenced, .taken), (.leaseLost, .taken), (.invalidName, .usage),
            (.invalidPipeline, .usage), (.pipelineChanged, .usage), (.notFound, .usage), (.refused, .usage),
            (.cannotResume, .usage), (.foreignFile, .usage), (.unsafePlace, .usage), (.queueClosed, .usage),
            (.busy, .internalError), (.diskFull, .internalError), (.storeFailed, .internalError),
            (.damaged, .damaged), (.payload, .internalError), (LeatError.Code(rawValue: "new"), .internalError),
        ]

        for (code, status) in expected { #expect(CommandStatus(of: LeatError(code, "")) == status) }
    }

    @Test("is the number that the engine gives a run's outcome")
    func outcomes() {
        for outcome in RunOutcome.allCases { #expect(CommandStatus(of: outcome).rawValue == outcome.exitStatus) }
        #expect(CommandStatus.timedOut.rawValue == ReservedStatus.timedOut)
        #expect(CommandStatus.internalError.rawValue == ReservedStatus.internalError)
        #expect(CommandStatus.damaged.rawValue == ReservedStatus.damaged)
    }

    @Test("is 130 after SIGINT and 143 after SIGTERM")
    func signals() {
        #expect(CommandStatus(of: .sigint).rawValue == 130)
        #expect(CommandStatus(of: .sigterm).rawValue == 143)
    }
}
