import Foundation
import Leat
import LeatTesting
import Testing

/// One item goes from `raw` through `double` to `cooked`, where `keep` takes it: told and shown by hand, and then spoilt.
@Suite("The oracle", .timeLimit(.minutes(1)))
struct OracleCheckTests {
    private var records: [OracleRecord] = [
        OracleRecord(.tryPut, "raw", value: one, pid: 1),
        OracleRecord(.okPut, "raw", value: one, pid: 1),
        OracleRecord(.claim, "raw", token: LeaseID(1), item: ItemID(1), value: one, pid: 2),
        OracleRecord(.tryAck, "raw", token: LeaseID(1), item: ItemID(1), pid: 2),
        OracleRecord(.tryPut, "cooked", token: LeaseID(1), item: ItemID(1), value: two, pid: 2),
        OracleRecord(.okAck, "raw", token: LeaseID(1), item: ItemID(1), pid: 2),
        OracleRecord(.okPut, "cooked", token: LeaseID(1), item: ItemID(1), value: two, pid: 2),
        OracleRecord(.closed, "raw", pid: 2),
        OracleRecord(.claim, "cooked", token: LeaseID(2), item: ItemID(1), value: two, pid: 3),
        OracleRecord(.tryAck, "cooked", token: LeaseID(2), item: ItemID(1), pid: 3),
        OracleRecord(.okAck, "cooked", token: LeaseID(2), item: ItemID(1), pid: 3),
    ]
    private var view: OracleView
    private static let one = OracleValue(.text("1"))
    private static let two = OracleValue(.text("2"))

    init() throws {
        let plan = try Pipeline("p") {
            Producer("numbers", to: "raw", repeating: { [1] })
            Transformer("double", from: "raw", to: "cooked") { (n: Int) in n * 2 }
            Consumer("keep", from: "cooked") { (_: Int) in }
        }.plan
        view = OracleView(
            plan: plan,
            items: [
                "raw": [Self.item(ItemID(1), "1", origin: "numbers")],
                "cooked": [Self.item(ItemID(1), "2", origin: "double", parent: ItemID(1))],
            ])
    }

    private static func item(
        _ id: ItemID, _ payload: String, origin: StageName, parent: ItemID? = nil, _ state: ItemState = .done,
        claims: Int? = nil, attempts: Int = 0
    ) -> ItemRecord {
        ItemRecord(
            id: id, payload: .text(payload), key: nil, origin: origin, parent: parent, state: state, claims: claims,
            attempts: attempts, kills: 0, suspect: 0, priority: 0, reason: nil)
    }

    private var check: OracleCheck { OracleCheck(records, view) }
    private var conditions: Set<OracleFinding.Condition> { Set(check.findings.map(\.condition)) }

    @Test("finds nothing where all is well")
    func clean() { #expect(check.findings == []) }

    @Test("takes either of two attempts for right, when the answer to neither was told")
    func untold() {
        mutating {
            $0.records.removeAll { [.okAck, .okPut].contains($0.kind) && $0.pid == 2 }
            $0.records.insert(OracleRecord(.tryAck, "raw", token: LeaseID(9), item: ItemID(1), pid: 4), at: 5)
            $0.records.insert(
                OracleRecord(
                    .tryPut, "cooked", token: LeaseID(9), item: ItemID(1), value: OracleValue(.text("3")), pid: 4),
                at: 6)
            #expect($0.check.findings == [])
        }
    }

    @Test("finds a committed put that is nowhere")
    func lost() {
        mutating {
            $0.records += [OracleRecord(.tryPut, "raw", value: Self.two), OracleRecord(.okPut, "raw", value: Self.two)]
            $0.records.removeAll { $0.kind == .closed }
            #expect($0.conditions == [.lost])
        }
    }

    @Test("finds an acknowledged item that is to be done again")
    func lostAcknowledgement() {
        mutating {
            $0.view.items["cooked"] = [Self.item(ItemID(1), "2", origin: "double", parent: ItemID(1), .skipped)]
            #expect($0.conditions == [.lost])
        }
    }

    @Test("finds an effect too many and one that is missing")
    func effects() {
        var check = check
        check.effects = ["cooked": [.text("2")]]
        #expect(check.findings == [])
        check.effects = ["cooked": [.text("2"), .text("2")]]
        #expect(check.findings.map(\.condition) == [.duplicated])
        check.effects = ["cooked": []]
        #expect(check.findings.map(\.condition) == [.lost])
    }

    @Test("finds an item that nobody tried to put")
    func unexpected() {
        mutating {
            $0.view.items["raw"]?.append(Self.item(ItemID(2), "5", origin: "numbers", .skipped))
            #expect($0.conditions == [.unexpected])
        }
    }

    @Test("finds an output that two attempts have left")
    func duplicated() {
        mutating {
            // The first attempt was refused, and its output is there all the same, with no origin.
            $0.records.insert(OracleRecord(.tryAck, "raw", token: LeaseID(9), item: ItemID(1), pid: 4), at: 2)
            $0.records.insert(
                OracleRecord(.tryPut, "cooked", token: LeaseID(9), item: ItemID(1), value: Self.two, pid: 4), at: 3)
            $0.records.insert(OracleRecord(.refused, "raw", token: LeaseID(9), pid: 4), at: 4)
            $0.view.items["cooked"]?.append(
                ItemRecord(
                    id: ItemID(2), payload: .text("2"), key: nil, origin: nil, parent: ItemID(1), state: .skipped,
                    claims: nil,
                    attempts: 0, kills: 0, suspect: 0, priority: 0, reason: nil))
            #expect($0.conditions == [.duplicated])
        }
    }

    @Test("finds a value that a producer has put twice, in a queue where each is put once")
    func distinct() {
        mutating {
            $0.records.insert(OracleRecord(.tryPut, "raw", value: Self.one, pid: 5), at: 0)
            $0.view.items["raw"]?.append(Self.item(ItemID(2), "1", origin: "numbers", .skipped))
            #expect($0.conditions == [])
            var check = $0.check
            check.distinct = ["raw"]
            #expect(check.findings.map(\.condition) == [.duplicated])
        }
    }

    @Test("finds a done item without its outputs, and outputs of one that isn't done")
    func outputs() {
        mutating {
            $0.view.items["cooked"] = []
            $0.records.removeAll { $0.queue == "cooked" && $0.kind != .tryPut }
            #expect($0.conditions == [.outputs])
        }
        mutating {
            $0.view.items["raw"] = [Self.item(ItemID(1), "1", origin: "numbers", .skipped)]
            $0.records.removeAll { $0.queue == "raw" && $0.kind == .okAck }
            #expect($0.conditions == [.outputs])
        }
    }

    @Test("finds an item that was acknowledged under two tokens")
    func acknowledgedTwice() {
        mutating {
            $0.records.append(OracleRecord(.okAck, "cooked", token: LeaseID(7), item: ItemID(1)))
            #expect($0.conditions == [.acknowledgedTwice])
        }
    }

    @Test("finds a commit under a token that was refused")
    func late() {
        mutating {
            $0.records.insert(OracleRecord(.refused, "raw", token: LeaseID(1)), at: 3)
            #expect($0.conditions == [.lateAcknowledgement])
        }
    }

    @Test("finds claims that the store does not count")
    func claims() {
        mutating {
            $0.records.insert(OracleRecord(.claim, "raw", token: LeaseID(8), item: ItemID(1), value: Self.one), at: 2)
            $0.view.items["raw"] = [Self.item(ItemID(1), "1", origin: "numbers", claims: 1)]
            #expect($0.conditions == [.claims])
        }
    }

    @Test("finds an item that is charged for nothing, unless it is to blame or has told so")
    func innocent() {
        mutating {
            $0.view.items["raw"] = [Self.item(ItemID(1), "1", origin: "numbers", attempts: 1)]
            #expect($0.conditions == [.innocent])
            var check = $0.check
            check.isCulprit = { queue, payload in queue == "raw" && payload == .text("1") }
            #expect(check.findings == [])
            $0.records.insert(OracleRecord(.fail, "raw", token: LeaseID(6), item: ItemID(1)), at: 2)
            #expect($0.check.findings == [])
        }
    }

    @Test("finds what was put into a queue after its end was told, and not what an order has let in")
    func closed() {
        let late = [
            OracleRecord(.tryPut, "raw", value: Self.two, pid: 1), OracleRecord(.okPut, "raw", value: Self.two, pid: 1),
        ]
        mutating {
            $0.view.items["raw"]?.append(Self.item(ItemID(2), "2", origin: "numbers", .skipped))
            $0.records += late
            #expect($0.conditions == [.enteredClosed])
            $0.records.insert(OracleRecord(.reopened, "raw"), at: $0.records.count - 2)
            #expect($0.conditions == [])
        }
    }

    @Test("finds counts that do not balance")
    func unbalanced() {
        mutating {
            $0.view.discrepancies = [Discrepancy("done items of queue raw", expected: "1", found: "2")]
            #expect($0.conditions == [.unbalanced])
        }
    }

    @Test("finds what is left to do")
    func notDrained() {
        mutating {
            $0.records += [
                OracleRecord(.tryPut, "cooked", value: Self.one), OracleRecord(.okPut, "cooked", value: Self.one),
            ]
            $0.view.items["cooked"]?.append(Self.item(ItemID(2), "1", origin: "double", .leased))
            #expect($0.conditions == [.notDrained])
        }
    }

    @Test("finds workers and processes that are left")
    func leftover() {
        mutating {
            $0.view.workers = [
                WorkerRecord(
                    id: WorkerID(1), stage: "keep", pid: 3, log: nil, startedAt: 0, seenAt: 0, isLive: true, ending: nil
                )
            ]
            #expect($0.conditions == [.leftover])
        }
        var check = check
        check.processes = [17]
        #expect(check.findings.map(\.what) == ["process 17 lives"])
    }

    /// A copy is spoilt, so that one case does not see another's.
    private func mutating(_ body: (inout Self) -> Void) {
        var copy = self
        body(&copy)
    }
}
