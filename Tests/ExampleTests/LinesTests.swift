import FlightsPipeline
import Testing

@Suite("Lines of a file")
struct LinesTests {
    static func numbered(_ text: String, after passed: Int = 0) throws -> [Line] {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try folder.write(text, to: "lines")
        return Array(try Lines(of: folder.path("lines"), after: passed))
    }

    @Test("are numbered from 1")
    func numbers() throws {
        #expect(try Self.numbered("a\nb\n") == [Line(number: 1, text: "a"), Line(number: 2, text: "b")])
    }

    @Test("go on after the line that was reached")
    func resumes() throws {
        #expect(try Self.numbered("a\nb\nc\n", after: 2) == [Line(number: 3, text: "c")])
        #expect(try Self.numbered("a\n", after: 1).isEmpty)
    }

    @Test("count an empty line, and need no end of line at the end")
    func edges() throws {
        #expect(try Self.numbered("\nb").map(\.text) == ["", "b"])
        #expect(try Self.numbered("").isEmpty)
    }
}
