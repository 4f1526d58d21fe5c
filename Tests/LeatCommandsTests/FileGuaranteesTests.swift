import Leat
import Testing

@testable import LeatCommands

@Suite("What a stage of a file promises")
struct FileGuaranteesTests {
    private func guarantees(_ text: String, of stage: StageName) throws -> [String] {
        let file = try Samples.read(text)
        return file.guarantees(of: try #require(file[stage]))
    }

    private static let producers: [(String, String)] = [
        (
            "cursor: line",
            "Exactly once into `numbers`: it resumes by counting and comparing the lines that it put before, and is refused if they have changed."
        ),
        (
            "cursor: own\nshards: [a, b]",
            "Exactly once into `numbers`: each message's items are put together with its cursor, and it resumes at the last one. Each of its 2 shards does so by itself."
        ),
        (
            "cursor: none",
            "Can't be resumed after it has put items into `numbers`: it is refused then rather than put them twice."
        ),
    ]

    @Test("follows from a producer's cursor", arguments: producers)
    func producer(lines: String, sentence: String) throws {
        let text = Samples.producer("produce: [a]\nto: numbers\n" + lines)

        #expect(try guarantees(text, of: "make") == [sentence])
    }

    @Test("is no second item of a key when the cursor is that")
    func keys() throws {
        let text = Samples.producer("produce: [a]\nto: {route: [numbers]}\ncursor: key")

        #expect(
            try guarantees(text, of: "make") == [
                "Begins anew when it is resumed; into `numbers` no item is put whose key is there already."
            ])
    }

    private static let consumers: [(String, [String])] = [
        (
            "consume: [a]\nfrom: numbers",
            ["Reaches outside: at least once; LEAT_KEY is the same at each attempt of an item."]
        ),
        (
            "consume: [a]\nfrom: numbers\nmode: batch",
            [
                "Reaches outside: at least once, and an item that comes again may come in other company.",
                "A batch is the unit: it succeeds or fails as a whole, and is halved until the culprit stands alone.",
            ]
        ),
        (
            "consume: [a]\nfrom: numbers\nmode: batch\ncardinality: one",
            [
                "Reaches outside: at least once, and an item that comes again may come in other company.",
                "A line answers a line, or the batch has failed; a failed one is halved until the culprit stands alone.",
            ]
        ),
        (
            "consume: [a]\nfrom: numbers\nmode: stream\nordered: trust\nmax_dead: 0",
            [
                "Reaches outside: at least once, and an item that comes again may come in other company.",
                "It is on your word that each item is answered by one line, in order.",
                "One dead letter fails the stage.",
            ]
        ),
        (
            "consume: [a]\nfrom: numbers\nmode: ack\nworkers: 2\nmax_dead: 7",
            [
                "Reaches outside: at least once, and an item that comes again may come in other company.",
                "Its command acknowledges by the line protocol, and each line of that is one transaction.",
                "No order of its items is promised.", "More than 7 dead letters fail the stage.",
            ]
        ),
        (
            "consume: [a]\nfrom: numbers\nwhen: closed\ndurability: process-crash",
            [
                "Its whole input at once, again if that is reopened; what it does outside happens at least once.",
                "A power cut may undo the last commits, whole ones; the death of a process undoes none.",
            ]
        ),
        (
            "consume: [a]\nafter: make",
            ["Runs once, after the completion of 'make'; what it does outside happens at least once."]
        ),
        (
            "consume: [a]\nfrom: numbers\norder: {group: \"a\\e\"}\nmax_dead: 0.5%\nworkers: 3",
            [
                "Reaches outside: at least once; LEAT_KEY is the same at each attempt of an item.",
                "Of the items with one value of 'a\\u{1b}' one is worked on at a time, in the order of putting.",
                "Dead letters that are more than 0.5% of its items fail the stage.",
            ]
        ),
    ]

    @Test("follows from a consumer's keys", arguments: consumers)
    func consumer(lines: String, sentences: [String]) throws {
        #expect(try guarantees(Samples.consumer(lines), of: "use") == sentences)
    }

    private static let transformers: [(String, String)] = [
        ("to: a", "Exactly once into `a`: an item is done, and what was made of it is there, in one transaction."),
        ("to: [a, b]", "Exactly once into each of `a`, `b`: an item is done, and"),
        ("to: {route: [a, b]}", "Exactly once into the one it names of `a`, `b`: an item is done, and"),
        (
            "to: a\nwhen: closed",
            "Its whole input at once, again if that is reopened; what is made of it is exactly once into `a`"
        ),
    ]

    @Test("is exactly once between stages", arguments: transformers)
    func transformer(lines: String, words: String) throws {
        let sentences = try guarantees(Samples.consumer("transform: [a]\nfrom: numbers\n" + lines), of: "use")

        #expect(sentences.count == 1)
        #expect(sentences[0].hasPrefix(words), "\(sentences)")
    }
}
