import Foundation
import Leat
import Testing

@testable import LeatCommands

@Suite("Lines, in any cutting")
struct LineProperties {
    private func bytes(_ random: inout Seeded, most: Int) -> [UInt8] {
        // Few letters, so that ends of lines are often side by side, and some bytes that are no text.
        (0..<random.below(most)).map { _ in random.pick([0x0A, 0x0A, 0x61, 0x0D, 0x00, 0xC3, 0xFF]) }
    }

    @Test("are the same however the bytes were cut into pieces")
    func splitting() async {
        await forSeeds(3000) { random in
            let bytes = bytes(&random, most: 200)
            var expected = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
            let last = expected.removeLast()

            var splitter = LineSplitter(limit: 200)
            var lines: [[UInt8]] = []
            for piece in random.pieces(of: bytes) { lines += try splitter.add(piece) }

            try hold(lines == expected, "\(lines) of \(bytes)")
            let rest = splitter.finish()
            try hold(rest == (last.isEmpty ? nil : last), "the rest \(rest ?? [])")
            try hold(splitter.finish() == nil, "nothing is left after the rest")
        }
    }

    @Test("come up to the first one that is too long, wherever the pieces end")
    func limit() async {
        await forSeeds(3000) { random in
            let limit = random.below(6)
            let bytes = bytes(&random, most: 60)
            let all = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
            let good = all.prefix { $0.count <= limit }

            var splitter = LineSplitter(limit: limit)
            var lines: [[UInt8]] = []
            var isTooLong = false
            do {
                for piece in random.pieces(of: bytes) { lines += try splitter.add(piece) }
            } catch let error as LineSplitter.TooLong {
                lines += error.before
                isTooLong = true
            }

            try hold(isTooLong == (good.count < all.count), "limit \(limit): \(bytes)")
            try hold(lines == Array(isTooLong ? good : good.dropLast()), "limit \(limit): \(lines) of \(bytes)")
        }
    }
}

@Suite("A cursor of lines")
struct LineLedgerProperties {
    /// Lines of few letters, so that many are the same.
    private func lines(_ random: inout Seeded, most: Int) -> [[UInt8]] {
        (0..<random.below(most) + 1).map { _ in
            (0..<random.below(3)).map { _ in random.pick([0x61, 0x62, 0x00, 0xFF]) }
        }
    }

    /// As it is saved and read again.
    private func saved(_ cursor: LineCursor) throws -> LineCursor {
        let text = try JSONEncoder().encode(cursor)
        // 65 places of some 50 bytes, whatever came before.
        try hold(cursor.marks.count <= 64 && text.count < 4000, "the cursor has \(text.count) bytes")
        return try JSONDecoder().decode(LineCursor.self, from: text)
    }

    @Test("resumes the same lines at any place, any number of times, and puts each once")
    func resuming() async {
        await forSeeds(300) { random in
            let lines = lines(&random, most: 300)
            var put: [[UInt8]] = []
            var cursor: LineCursor?
            var isThrough = false
            while !isThrough {
                var ledger = LineLedger(after: cursor)
                var pending: [[UInt8]] = []
                let end = random.chance(20) ? lines.count : random.below(lines.count + 1)
                for line in lines[..<end] {
                    let isKnown = !ledger.isAtEnd
                    let isNew = try ledger.add(line)
                    try hold(isNew != isKnown, "whether line \(ledger.count) is new was told before")
                    if isNew { pending.append(line) }
                    guard random.chance(10), let next = ledger.cursor else { continue }
                    cursor = try saved(next)
                    put += pending
                    pending = []
                }
                guard end == lines.count else { continue }
                try hold(ledger.missing == 0, "nothing is missing")
                put += pending
                isThrough = true
            }

            try hold(put == lines, "\(put.count) of \(lines.count) lines were put")
        }
    }

    @Test("refuses what was changed, dropped, inserted or cut off, and names lines among which the first of it is")
    func changed() async {
        await forSeeds(800) { random in
            let lines = lines(&random, most: 300)
            let cursor = try cursor(of: lines, &random)
            let count = Int(cursor.count)
            var other = lines
            for _ in 0...random.below(2) { spoil(&other, before: count, &random) }
            let first =
                zip(lines[..<count], other).enumerated().first { $1.0 != $1.1 }?.offset ?? min(other.count, count)
            var ledger = LineLedger(after: cursor)
            var changed: LineLedger.Changed?

            do {
                for line in other { _ = try ledger.add(line) }
            } catch let error as LineLedger.Changed {
                changed = error
            }

            if let changed {
                try hold(
                    changed.first <= first + 1 && first + 1 <= changed.last && changed.last <= cursor.count,
                    "line \(first + 1) is not from \(changed.first) to \(changed.last)")
                try hold(ledger.cursor == nil, "no cursor follows what was refused")
            } else {
                try hold(first == count || ledger.missing > 0, "line \(first + 1) of \(count) was taken for the same")
                try hold(ledger.missing == Int64(max(count - other.count, 0)), "\(ledger.missing) are missing")
            }
        }
    }

    /// A cursor in the midst of the lines, after a few that were saved before.
    private func cursor(of lines: [[UInt8]], _ random: inout Seeded) throws -> LineCursor {
        var cursor: LineCursor?
        for _ in 0...random.below(3) {
            var ledger = LineLedger(after: cursor)
            for line in lines[...random.below(lines.count)] { _ = try ledger.add(line) }
            if let next = ledger.cursor { cursor = try saved(next) }
        }
        return cursor!
    }

    private func spoil(_ lines: inout [[UInt8]], before count: Int, _ random: inout Seeded) {
        let place = random.below(min(count, lines.count) + 1)
        switch random.below(4) {
        case 0 where place < lines.count: lines[place] = [0x63]
        case 1 where place < lines.count: lines.remove(at: place)
        case 2: lines.insert([0x61], at: place)
        default: lines.removeSubrange(place...)
        }
    }

    @Test("stays small over many lines, and still tells where a change is within a few percent")
    func size() throws {
        var ledger = LineLedger(after: nil)
        for number in 0..<100_000 { _ = try ledger.add([UInt8(truncatingIfNeeded: number)]) }
        let cursor = try saved(try #require(ledger.cursor))
        var again = LineLedger(after: cursor)

        let changed = #expect(throws: LineLedger.Changed.self) {
            for number in 0..<100_000 {
                _ = try again.add(number == 70_000 ? [] : [UInt8(truncatingIfNeeded: number)])
            }
        }

        let range = try #require(changed)
        #expect((range.first...range.last).contains(70_001))
        #expect(range.last - range.first < 4000)
    }
}
