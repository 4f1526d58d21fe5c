import Foundation
import Leat
import Testing

@testable import LeatCLI

@Suite("what is printed of attempts that failed")
struct AttemptOutputTests {
    private func attempt(
        _ error: String, item: ItemID? = ItemID(7), at moment: Int64 = 1_767_268_800_000, _ evidence: Evidence? = nil
    ) -> AttemptRecord {
        AttemptRecord(
            stage: "use", item: item, worker: WorkerID(2), failedAt: moment, error: error, evidence: evidence)
    }

    private func cells(_ table: String) -> [[String]] {
        table.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    }

    @Test("shows each with its time, whose it was, how it ended and how long it took")
    func lines() {
        let table = attemptTable([
            attempt("no"), attempt("died", item: nil, at: 0),
            attempt("failed", Evidence(exitStatus: 3, duration: .milliseconds(1250))),
            attempt("failed", Evidence(exitStatus: 137, duration: .milliseconds(40))),
        ])

        let lines = cells(table)
        #expect(lines[1] == ["2026-01-01T12:00:00Z", "use", "7", "2", "-", "-", "no"])
        #expect(lines[2] == ["1970-01-01T00:00:00Z", "use", "-", "2", "-", "-", "died"])
        #expect(lines[3].suffix(4) == ["3", "1.2", "s", "failed"])
        #expect(lines[4].suffix(4) == ["137", "40", "ms", "failed"])
        #expect(attemptTable([]) == "No attempt has failed.")
    }

    @Test("shows the last line of standard error beside the error, unless that says it")
    func lastWords() {
        #expect(
            withLastWords("exit status 3", "Traceback:\n  ValueError: no number\n\n")
                == "exit status 3 [stderr: ValueError: no number]")
        #expect(withLastWords("exit status 3: no number", "no number\n") == "exit status 3: no number")
        #expect(withLastWords("exit status 3", nil) == "exit status 3")
        #expect(withLastWords("exit status 3", " \n") == "exit status 3")
        #expect(withLastWords("exit", "\u{1B}[2Jgone") == "exit [stderr: \\u{1b}[2Jgone]")
    }

    @Test("shows all of standard error of one item's attempts, line by line and escaped")
    func report() {
        let text = attemptReport([
            attempt("second", Evidence(errorOutput: "one\r\ntwo \u{1B}[31m\n")), attempt("first"),
        ])

        #expect(
            text.hasSuffix(
                "\n\nStandard error of the attempt that failed at 2026-01-01T12:00:00Z:\n  one\n  two \\u{1b}[31m"))
        #expect(!text.contains("[stderr:"))
        #expect(attemptReport([]) == "No attempt has failed.")
    }

    @Test("gives programs the exit status, the milliseconds, and all of standard error")
    func json() throws {
        let evidence = Evidence(exitStatus: 3, duration: .milliseconds(1250), errorOutput: "a\nb")
        let letter = DeadLetter(
            stage: "s", queue: "q", item: ItemID(1), attempts: 3, reason: "r", payload: .text("{}"),
            errorOutput: "a\nb")

        #expect(
            try jsonLine(attempt("no", evidence))
                == #"{"durationMilliseconds":1250,"error":"no","errorOutput":"a\nb","exitStatus":3,"failedAt":1767268800000,"item":7,"stage":"use","worker":2}"#
        )
        #expect(try jsonLine(DeadLetterLine(letter)).contains(#""errorOutput":"a\nb""#))
        #expect(deadLetterTable([letter]).contains("r [stderr: b]"))
    }
}
