internal import Leat

/// What the random operations are mostly about.
public enum ModelProfile: Sendable, Hashable {
    /// All that a store does.
    case everything
    /// Clocks that jump, stand still and begin anew under live leases. Nothing is delayed, since what is due when the wall
    /// clock has been set back is a store's to say.
    case clocks
}

extension ModelOperation {
    /// An operation on leases, or on the clocks that they run on.
    static func randomUnderClocks(using generator: inout SeededGenerator) -> ModelOperation {
        func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
        let any = 0...59
        switch number(0...99) {
        case ..<14:
            return .put(queue: number(any), count: number(1...6), key: nil, delay: 0, priority: number(0...9) / 8)
        case ..<38: return .claim(stage: number(any), worker: number(any), limit: number(1...5))
        case ..<42: return .claimAll(stage: number(any), worker: number(any))
        case ..<52:
            let settlements: [ModelSettlement] = [
                .all, .prefix(1), .scattered(generator.next() % 256), .mixed(generator.next() % 65_536), .released,
                .together(.backOff),
            ]
            return .commit(
                lease: number(any), settlements[number(0...5)], outputs: number(0...2), key: nil,
                next: number(0...1) == 0 ? nil : number(1...4))
        case ..<57: return .open(shard: number(any), worker: number(any))
        case ..<60: return .emit(shard: number(any), outputs: number(0...3), key: nil, cursor: 1, isLast: false)
        case ..<63: return .end(worker: number(any), .random(using: &generator))
        case ..<66:
            let all = ModelTrespass.allCases
            return .trespass(all[number(0...all.count - 1)], number(any), number(any))
        case ..<84:
            let jumps = [0, 1, -1, 60, -60, 3600, -3600, 86_400 * 400, -86_400 * 400]
            return .clocks(seconds: jumps[number(0...8)], milliseconds: [0, 1, 900, 7000, 14_900][number(0...4)])
        case ..<90: return .silence(survivors: UInt64(number(0...255)))
        case ..<97:
            return .newBoot(seconds: [0, 5, -5, 86_400, -86_400][number(0...4)], instant: number(0...3) * 100_000)
        case ..<98: return .begin
        default: return .evaluate
        }
    }
}

extension ModelRunner {
    mutating func performOnClocks(_ operation: ModelOperation) async throws {
        switch operation {
        case .clocks(let seconds, let milliseconds):
            note("the wall clock is set by \(seconds) s, \(milliseconds) ms go by")
            time.wallClock += Int64(seconds) * 1000
            advance(milliseconds)
            try same(try await store.reap(supervisor: nil), [], "workers reaped before their leases' end")
            // Their leases begin anew.
            for worker in model.workers where worker.isLive {
                try same(try store.beat(worker.id), .alive, "the heartbeat of worker \(worker.id)")
            }
        case .newBoot(let seconds, let instant):
            boots += 1
            note("boot \(boots), the wall clock is set by \(seconds) s, the monotonic one begins at \(instant) ms")
            time.bootID = "boot-\(boots)"
            time.instant = Int64(instant + 1) * 1_000_000
            time.wallClock += Int64(seconds) * 1000
            advance(0)
            try await reap(.rebooted, model.workers.filter(\.isLive))
        default: preconditionFailure("no operation on clocks")
        }
    }
}

extension StagePolicy {
    /// The same without any waiting.
    var withoutWaits: StagePolicy {
        var policy = self
        policy.retry.base = .zero
        return policy
    }
}
